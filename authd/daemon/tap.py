"""The daemon as a Twisted service: the one module that knows the reactor. All I/O begins in `startService`."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.threads import deferToThreadPool
from twisted.logger import ILogObserver, Logger, LogLevel
from twisted.python.components import Componentized

from authd.config.backends import MOUNTED_FILE
from authd.config.settings import Settings
from authd.core.errors import ConfigError
from authd.core.partitions import Partition
from authd.daemon import gauges, wiring
from authd.daemon.certificates.serving_certificate import CLOCK_SECONDS
from authd.daemon.command_line.options import Options
from authd.daemon.ec2_setup import instance_names
from authd.daemon.event_loop import Turns
from authd.daemon.fd_monitor import CHECK_SECONDS, DescriptorMonitor
from authd.daemon.health import HealthFactory
from authd.daemon.http.deadlines import SWEEP_SECONDS
from authd.daemon.listener import WebhookListener
from authd.daemon.net.local_address import local_address, tcp_endpoint
from authd.daemon.net.shared_resolver import SharedResolver
from authd.daemon.other_sources import other_sources
from authd.daemon.shutdown import end_threads, ignore_stop_signals
from authd.daemon.sighup import SighupHandler
from authd.daemon.socket_activation import inherited_endpoint
from authd.daemon.status.readiness import readiness_checks
from authd.daemon.status.server import StatusFactory
from authd.daemon.status.server import listen as listen_for_status
from authd.daemon.sts.setup import sts_access
from authd.daemon.systemd import ServiceManager, watchdog_seconds
from authd.daemon.telemetry.handshake_log import HandshakeLog
from authd.daemon.telemetry.log_level import LogFilter
from authd.daemon.telemetry.log_output import LogOutput, log_observer
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.telemetry.reactor_lag import MEASURE_SECONDS, ReactorLag
from authd.daemon.telemetry.stranger_lines import REPORT_SECONDS
from authd.partition_data import load_partitions
from authd.sources.changed_file import short_slice
from authd.sources.directory_watcher import DirectoryWatcher, watched_places
from authd.sources.last_good import LastGoodFile
from authd.sources.lockout_guard import SeenIdentities
from authd.sources.mounted_file import MountedFile
from authd.sources.source import Source
from authd.state.certificate_store import StateFiles

_log = Logger(namespace="authd.daemon")


def makeService(options: Options) -> IService:
    """Return the daemon as a service. It does no I/O before it is started."""
    from twisted.internet import reactor  # twistd chooses the reactor

    return AuthdService(reactor, options)


class AuthdService(MultiService):
    """The daemon. A failed start logs the reason and ends the process with a non-zero status."""

    def __init__(self, reactor: Any, options: Options) -> None:
        super().__init__()
        self._reactor = reactor
        self._options = options
        self._loops: list[task.LoopingCall] = []
        self._ports: list[IListeningPort] = []
        self._watchers: list[DirectoryWatcher] = []
        self._output = LogOutput(sys.stdout)
        self._log_filter = LogFilter(log_observer(self._output, options["log-format"]))
        self._log_filter.level = LogLevel.lookupByName(options.log_level)
        self._metrics = Metrics()
        self._seen = SeenIdentities(time.monotonic)
        self._sources: tuple[Source, ...] = ()

    def setServiceParent(self, parent: Any) -> None:
        """Join twistd's application, handle SIGHUP, and install the log observer."""
        super().setServiceParent(parent)
        SighupHandler(self._reactor, self._on_sighup).install()  # takes effect when the reactor runs
        if isinstance(parent, Componentized):
            self._log_filter.install(self._reactor)
            parent.setComponent(ILogObserver, self._log_filter)

    def startService(self) -> None:
        """Read the settings, build the parts, bind the ports and serve. On a failure, log the reason and exit."""
        super().startService()
        self._manager = ServiceManager()
        # Twisted's timers use the wall clock. If it were set back by an hour, every deadline would stop for an hour.
        self._reactor.seconds = time.monotonic
        gc.disable()  # a full collection takes 15 ms and finds nothing during the start
        try:
            self._start()
        except ConfigError as error:
            for problem in error.problems:
                _log.critical("{problem}", problem=str(problem))
            raise SystemExit(2) from None
        except (OSError, CannotListenError) as error:
            _log.critical("authd can't start: {error}", error=str(error))
            raise SystemExit(1) from None
        finally:
            gc.enable()

    def _start(self) -> None:
        path = self._options.settings_file
        partitions = load_partitions()
        mounted_file = self._start_sources(path, partitions)
        settings = self._in_force.settings
        partition = partitions[settings.partition]
        self._warn_of_flags(settings)
        self._certificate = wiring.serving_certificate(settings)
        self._reactor.installNameResolver(SharedResolver(self._reactor.nameResolver, self._reactor.seconds))
        turns = Turns(self._reactor)
        self._sts = sts_access(self._reactor, settings, partition, turns)
        self._names = instance_names(self._reactor, settings, partition, self._in_thread)
        reviews = self._reviews = wiring.webhook(
            self._reactor,
            self._in_force,
            self._sts,
            self._names,
            metrics=self._metrics,
            seen=self._seen,
            output=self._output,
            is_debug=lambda: self._log_filter.is_debug,
            turns=turns,
        )
        gauges.publish_state(self._metrics, self._in_force, self._sources, self._certificate)
        self._listen(settings, reviews)
        self._watch_files(settings, path)
        self._start_loops(reviews)
        self._open_status_socket(mounted_file, path)
        self._reactor.callWhenRunning(self._ready)

    def _start_sources(self, path: Path | None, partitions: Mapping[str, Partition]) -> MountedFile:
        mounted_file = MountedFile(
            path,
            partitions=partitions,
            overrides=self._options.overrides,
            defaults=self._options.default_settings,
            cooperator=task.Cooperator(terminationPredicateFactory=short_slice),
            last_good=LastGoodFile(self._in_thread),
            seen=self._seen,
            reloaded=self._metrics.reloads_of(MOUNTED_FILE),
        )
        mounted_file.start()
        self._in_force = mounted_file.in_force
        others = other_sources(
            self._reactor,
            self._in_force,
            partitions,
            seen=self._seen,
            reloads_of=self._metrics.reloads_of,
            count=self._metrics.peer.count,
            in_thread=self._in_thread,
        )
        for source in others:
            source.start()
        self._sources = (mounted_file, *others)
        return mounted_file

    def _watch_files(self, settings: Settings, path: Path | None) -> None:
        certificate = StateFiles(folder=Path(settings.state_dir)).certificate
        files = [certificate, *map(Path, self._sts.endpoints.ca_files), *([] if path is None else [path])]
        for watched in (place for file in files for place in watched_places(file)):
            watcher = DirectoryWatcher(self._reactor, watched, self._check_files)
            watcher.start()
            self._watchers.append(watcher)

    def _start_loops(self, reviews: wiring.Reviews) -> None:
        lag = ReactorLag(self._reactor.seconds)
        gauges.publish_load(self._metrics, self._listener, lag)
        self._every(CLOCK_SECONDS, self._certificate.check_clock)
        self._every(CHECK_SECONDS, DescriptorMonitor().check)
        self._every(REPORT_SECONDS, reviews.decisions.report_omitted)
        self._every(MEASURE_SECONDS, lag.measure)

    def _warn_of_flags(self, settings: Settings) -> None:
        if unused := self._options.without_effect(settings.backend_mode):
            _log.warn("these arguments have no effect: {arguments}", arguments=", ".join(unused))

    def _open_status_socket(self, mounted_file: MountedFile, path: Path | None) -> None:
        queries = wiring.status_queries(
            mounted_file,
            self._sources,
            self._reviews,
            path=path,
            checks=self._checks,
            certificate=self._certificate,
            listener=self._listener,
            metrics=self._metrics,
        )
        socket_path = StateFiles(folder=Path(self._in_force.settings.state_dir)).status_socket
        port = listen_for_status(self._reactor, socket_path, StatusFactory(self._reactor, queries))
        if port is not None:
            self._ports.append(port)

    def _listen(self, settings: Settings, reviews: wiring.Reviews) -> None:
        # One thread for each possible look-up of a host name, because a look-up can't be cancelled.
        self._reactor.suggestThreadPoolSize(max(10, min(settings.sts.concurrency, 64)))
        self._listener = WebhookListener(
            self._reactor, reviews.factory, self._certificate.tls, HandshakeLog(self._metrics)
        )
        endpoint = inherited_endpoint(self._reactor) or tcp_endpoint(
            self._reactor, settings.port, local_address("server.address", settings.address)
        )
        address: Any = self._listener.listen(endpoint).getHost()
        self._kubeconfig = wiring.webhook_kubeconfig(settings, address.port, self._certificate, self._metrics)
        self._kubeconfig.write()
        checks = self._checks = readiness_checks(
            self._sources,
            self._in_force,
            self._certificate,
            self._kubeconfig,
            listening=lambda: bool(self.running),
            breakers=reviews.breakers,
            metrics=self._metrics,
            audit=reviews.audit,
        )
        site = HealthFactory(self._reactor, checks, self._metrics)
        self._every(SWEEP_SECONDS, site.deadlines.sweep)
        health_address = local_address("server.healthAddress", settings.health_address)
        health = self._reactor.listenTCP(settings.health_port, site, interface=health_address)
        self._ports.append(health)
        _log.info(
            "listening on https://{host}:{port}/authenticate, health on http://{health_host}:{health_port}",
            host=address.host,
            port=address.port,
            health_host=health_address,
            health_port=health.getHost().port,
        )

    def _in_thread(self, work: Callable[..., Any], *arguments: object) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work, *arguments)

    def _every(self, seconds: float, work: Any) -> None:
        loop = task.LoopingCall(work)
        loop.clock = self._reactor
        loop.start(seconds, now=False).addErrback(lambda failure: _log.failure("a loop ended", failure=failure))
        self._loops.append(loop)

    def _check_files(self) -> None:
        for source in self._sources:
            source.check()
        self._certificate.check()
        self._kubeconfig.check()
        self._sts.endpoints.refresh()

    def _on_sighup(self) -> None:
        if self._reviews.audit is not None:
            self._reviews.audit.reopen()
        self._check_files()

    def _ready(self) -> None:
        gc.collect()
        gc.freeze()  # objects of the start live as long as the process, so collections can skip them
        interval = watchdog_seconds()
        if interval is not None:
            self._every(interval / 3, lambda: self._manager.notify("WATCHDOG=1"))
        self._manager.notify("READY=1")

    async def _stop(self) -> None:
        self._manager.notify("STOPPING=1")
        for loop in self._loops:
            loop.stop()
        for watcher in self._watchers:
            watcher.stop()
        for source in self._sources:
            source.stop()
        await self._listener.stop()
        for port in self._ports:
            closing = port.stopListening()
            if closing is not None:
                with suppress(FileNotFoundError):  # somebody has removed the status socket
                    await closing
        await self._reviews.tracing.stop()
        self._sts.agent.close_idle()
        self._names.stop()
        if self._reviews.audit is not None:
            self._reviews.audit.flush()
            self._reviews.audit.close()
        await end_threads(self._reactor)
        self._manager.close()

    def stopService(self) -> Deferred[Any]:
        """Stop listening, finish the reviews in progress, and stop the parts."""
        super().stopService()
        ignore_stop_signals()
        return Deferred.fromCoroutine(self._stop())
