"""Wires the daemon: the one module that knows the reactor. `makeService` constructs, `startService` begins."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.threads import deferToThreadPool
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from authd.authentication.authenticator import Authenticator
from authd.authentication.call_limiter import CallLimiter
from authd.authentication.circuit_breaker import CircuitBreakers
from authd.authentication.verdict_cache import VerdictCache
from authd.config.settings import Settings
from authd.core.errors import ConfigError
from authd.core.partitions import STSHosts
from authd.core.token_review import ReviewEncoder
from authd.daemon.certificates.serving_certificate import CLOCK_SECONDS, ServingCertificate
from authd.daemon.certificates.webhook_kubeconfig import WebhookKubeconfig
from authd.daemon.fd_monitor import LOOK_SECONDS, Descriptors
from authd.daemon.health import Check, HealthFactory
from authd.daemon.http.deadlines import SWEEP_SECONDS
from authd.daemon.listener import WebhookListener
from authd.daemon.net.shared_resolver import SharedResolver
from authd.daemon.options import Options
from authd.daemon.sighup import HangUps
from authd.daemon.socket_activation import inherited_endpoint
from authd.daemon.sts.agent import STSAgent
from authd.daemon.sts.client import STSClient
from authd.daemon.sts.endpoints import STSEndpoints
from authd.daemon.systemd import ServiceManager, watchdog_seconds
from authd.daemon.telemetry.decision_log import DecisionLog
from authd.daemon.telemetry.log_output import LogOutput, log_observer
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.webhook import WebhookFactory
from authd.partition_data import load_partitions
from authd.sources.directory_watcher import DirectoryWatcher
from authd.sources.last_good import LastGoodFile
from authd.sources.lockout_guard import SeenIdentities
from authd.sources.settings_file import SettingsFile, short_slice
from authd.state.certificate_store import StateFiles

_log = Logger(namespace="authd.daemon")


def makeService(options: Options) -> IService:
    """Return the daemon as a service; nothing is read, opened or bound before it starts."""
    from twisted.internet import reactor  # noqa: PLC0415  # choosing the reactor is twistd's business

    return AuthdService(reactor, options)


class AuthdService(MultiService):
    """The daemon. A start that fails ends the process with a non-zero status, after saying why."""

    def __init__(self, reactor: Any, options: Options) -> None:
        super().__init__()
        self._reactor = reactor
        self._options = options
        self._loops: list[task.LoopingCall] = []
        self._ports: list[IListeningPort] = []
        self._watchers: list[DirectoryWatcher] = []
        self._output = LogOutput(sys.stdout)
        self._metrics = Metrics()
        self._seen = SeenIdentities(time.monotonic)

    def setServiceParent(self, parent: Any) -> None:
        """Become part of twistd's application, outlive a SIGHUP, and choose how the log is written."""
        super().setServiceParent(parent)
        HangUps(self._reactor, self._check_files).take()  # heeded once the reactor runs: by then all is there
        if isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, log_observer(self._output, self._options["log-format"]))

    def startService(self) -> None:
        """Read, build, bind and begin; on any failure say what is wrong and exit."""
        super().startService()
        self._manager = ServiceManager()
        # Twisted's timers run on the wall clock: set back by an hour, it would stop every deadline for an hour.
        self._reactor.seconds = time.monotonic
        gc.disable()  # a full collection takes 15 ms, and finds nothing in what start-up makes
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
        path = Path(self._options["config"]).absolute()
        self._partitions = load_partitions()
        self._file = SettingsFile(
            path,
            partitions=self._partitions,
            overrides=self._options.overrides,
            cooperator=task.Cooperator(terminationPredicateFactory=short_slice),
            last_good=LastGoodFile(self._in_thread),
            seen=self._seen,
            reloaded=self._metrics.reloaded,
        )
        self._file.load()
        settings = self._file.settings
        self._pair = self._serving_pair(settings)
        self._listen(settings, self._webhook(settings))
        for watched in (path, StateFiles(folder=Path(settings.state_dir)).certificate):
            watcher = DirectoryWatcher(self._reactor, watched, self._check_files)
            watcher.start()
            self._watchers.append(watcher)
        self._every(LOOK_SECONDS, Descriptors().check)
        self._reactor.callWhenRunning(self._ready)

    def _serving_pair(self, settings: Settings) -> ServingCertificate:
        files = StateFiles(folder=Path(settings.state_dir))
        pair = ServingCertificate(
            files, settings.own_names, _now, client_certificates=settings.require_client_certificate
        )
        if not settings.kubeconfig_pregenerated:
            pair.mend_authority()
        pair.load()
        self._every(CLOCK_SECONDS, pair.check_clock)
        return pair

    def _sts_client(self, settings: Settings) -> STSClient:
        self._reactor.installNameResolver(SharedResolver(self._reactor.nameResolver, self._reactor.seconds))
        endpoints = STSEndpoints(
            self._reactor,
            connect_timeout=settings.sts.timeout,
            ca_file=settings.sts.ca_file,
            proxy=settings.sts.proxy,
            extra=settings.sts.endpoints,
        )
        self._agent = STSAgent(self._reactor, endpoints)
        return STSClient(
            self._reactor,
            self._agent,
            cluster_id=settings.cluster_id,
            partition=settings.partition,
            timeout=settings.sts.timeout,
        )

    def _webhook(self, settings: Settings) -> WebhookFactory:
        hosts = STSHosts(
            partition=self._partitions[settings.partition],
            extra_regions=settings.sts.extra_regions,
            extra_endpoints=settings.sts.endpoints,
        )
        limiter = CallLimiter(clock=self._reactor, concurrency=settings.sts.concurrency)
        breakers = CircuitBreakers(seconds=self._reactor.seconds)
        self._publish(limiter, breakers)
        authenticator = Authenticator(
            ask_sts=self._sts_client(settings).ask,
            hosts=hosts,
            table=lambda: self._file.settings.table,
            now=time.time,
            limiter=limiter,
            breakers=breakers,
            verdict_cache=VerdictCache(
                seconds=self._reactor.seconds,
                cache_ttl=settings.sts.cache_ttl,
                stale_if_error=settings.sts.stale_if_error,
            ),
            max_token_length=settings.max_token_length,
            audiences=settings.audiences,
            observer=self._metrics,
        )
        audit = DecisionLog(
            lambda: self._file.settings.scrubbed_accounts, self._metrics, self._seen, self._output.together
        )
        return WebhookFactory(self._reactor, authenticator, audit, self._encoder)

    def _publish(self, limiter: CallLimiter, breakers: CircuitBreakers) -> None:
        gauge = self._metrics.gauge
        gauge("authd_sts_calls_in_flight", "Calls to STS under way.", lambda: limiter.in_flight)
        gauge("authd_sts_calls_waiting", "Calls to STS that wait for a place.", lambda: limiter.waiting)
        gauge("authd_sts_circuits_open", "STS hosts that keep failing.", lambda: breakers.open_count)
        gauge(
            "authd_certificate_days_left",
            "Days until the certificate or its authority ends; negative while it isn't valid.",
            lambda: self._pair.days_left,
        )
        gauge("authd_mapping_rules", "Mappings in force.", lambda: len(self._file.settings.table))
        gauge("authd_settings_problems", "Problems of the settings file.", lambda: len(self._file.problems))

    def _encoder(self) -> ReviewEncoder:
        settings = self._file.settings
        return ReviewEncoder(user_extra=settings.user_extra, scrubbed_accounts=settings.scrubbed_accounts)

    def _listen(self, settings: Settings, webhook: WebhookFactory) -> None:
        # As many threads as hosts may be looked up at once: look-ups can't be cancelled.
        self._reactor.suggestThreadPoolSize(max(10, min(settings.sts.concurrency, 64)))
        self._listener = WebhookListener(self._reactor, webhook, self._pair.tls)
        endpoint = inherited_endpoint(self._reactor) or _tcp(self._reactor, settings.port, settings.address)
        address: Any = self._listener.listen(endpoint).getHost()
        files = StateFiles(folder=Path(settings.state_dir))
        self._kubeconfig = WebhookKubeconfig(
            settings, files, settings.port or address.port, trusted=lambda: self._pair.trusted_pem, now=_now
        )
        self._kubeconfig.write()
        checks = (
            Check(name="settings", problem=self._settings_problem),
            Check(name="certificate", problem=self._pair.problem, detail=self._pair.detail),
            Check(name="kubeconfig", problem=self._kubeconfig.problem),
            Check(name="port", problem=lambda: "" if self.running else "closed"),
        )
        site = HealthFactory(self._reactor, checks, self._metrics)
        self._every(SWEEP_SECONDS, site.deadlines.sweep)
        health = self._reactor.listenTCP(settings.health_port, site, interface=settings.health_address)
        self._ports.append(health)
        _log.info(
            "listening on https://{host}:{port}/authenticate, health on http://{health_host}:{health_port}",
            host=address.host,
            port=address.port,
            health_host=settings.health_address,
            health_port=health.getHost().port,
        )

    def _settings_problem(self) -> str:
        problems = self._file.problems
        return f"the last good mappings are in force: {'; '.join(map(str, problems))}" if problems else ""

    def _in_thread(self, work: Callable[..., Any], *arguments: object) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work, *arguments)

    def _every(self, seconds: float, work: Any) -> None:
        loop = task.LoopingCall(work)
        loop.clock = self._reactor
        loop.start(seconds, now=False).addErrback(lambda failure: _log.failure("a loop ended", failure=failure))
        self._loops.append(loop)

    def _check_files(self) -> None:
        self._file.check()
        self._pair.check()
        self._kubeconfig.check()

    def _ready(self) -> None:
        gc.collect()
        gc.freeze()  # what start-up made lives as long as the process: no collection needs to walk it
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
        await self._listener.stop()
        for port in self._ports:
            closing = port.stopListening()
            if closing is not None:
                await closing
        self._agent.close_idle()
        self._manager.close()

    def stopService(self) -> Deferred[Any]:
        """Stop taking reviews, finish those under way, and end."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def _tcp(reactor: Any, port: int, address: str) -> IStreamServerEndpoint:
    kind = TCP6ServerEndpoint if ":" in address else TCP4ServerEndpoint
    endpoint: IStreamServerEndpoint = kind(reactor, port, interface=address)
    return endpoint
