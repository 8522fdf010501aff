"""Wires the daemon: the one module that knows the reactor. `makeService` constructs, `startService` begins."""

from __future__ import annotations

import gc
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from twisted.application.service import IService, MultiService
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import ILogObserver, Logger
from twisted.python import usage
from twisted.python.components import Componentized

from authd import __version__
from authd.authenticator import Authenticator
from authd.botocore_data import load_partitions
from authd.config.settings import Settings
from authd.core.errors import ConfigError
from authd.core.partitions import STSHosts
from authd.core.token_review import ReviewEncoder
from authd.daemon.activation import inherited_endpoint
from authd.daemon.audit import Audit
from authd.daemon.health import Check, health_site
from authd.daemon.listener import WebhookListener
from authd.daemon.logs import FORMATS, log_observer
from authd.daemon.notify import notify, watchdog_seconds
from authd.daemon.reloader import SettingsFile
from authd.daemon.serving_pair import CHECK_SECONDS, ServingPair
from authd.daemon.state_files import StateFiles
from authd.daemon.sts_agent import STSAgent
from authd.daemon.sts_client import STSClient
from authd.daemon.sts_endpoints import STSEndpoints
from authd.daemon.watcher import DirectoryWatcher
from authd.daemon.webhook import WebhookFactory
from authd.daemon.webhook_kubeconfig import ensure_kubeconfig


class Options(usage.Options):
    """Options of `twistd authd`; those of aws-iam-authenticator's server keep their names."""

    synopsis = "[--config FILE] [options]"
    longdesc = (
        "Serve the TokenReview webhook that verifies AWS IAM identities. Options override the settings file.\n"
        "Example: twistd --nodaemon --pidfile= authd --config /etc/authd/config.yaml"
    )
    optParameters: ClassVar[list[list[str | None]]] = [
        ["config", "c", "/etc/authd/config.yaml", "The settings file; its mappings are reloaded when it changes."],
        ["cluster-id", "i", None, "The cluster's id, which tokens are signed for (clusterID)."],
        ["address", None, None, "The address to listen on (server.address)."],
        ["port", None, None, "The port to listen on (server.port)."],
        ["state-dir", None, None, "Where certificates are kept (server.stateDir)."],
        ["generate-kubeconfig", None, None, "Where the webhook kubeconfig is written (server.generateKubeconfig)."],
        ["partition", None, None, "The AWS partition (server.partition)."],
        ["backend-mode", None, None, "Where mappings come from (server.backendMode)."],
        ["log-format", "l", "auto", "text, json, or auto: text on a terminal, JSON elsewhere."],
    ]
    optFlags: ClassVar[list[list[str | None]]] = [["kubeconfig-pregenerated", None, "Write no webhook kubeconfig (server.kubeconfigPregenerated)."]]

    def postOptions(self) -> None:
        """Refuse an unknown log format before anything starts."""
        if self["log-format"] not in FORMATS:
            raise usage.UsageError(f"--log-format takes one of {', '.join(FORMATS)}")

    def opt_version(self) -> None:
        """Print authd's version and exit."""
        sys.stdout.write(f"authd {__version__}\n")
        raise SystemExit(0)

    @property
    def overrides(self) -> dict[str, str]:
        """The options given, by the setting that each overrides."""
        given = {setting: self[option] for option, setting in _SETTINGS.items() if self[option] is not None}
        if self["kubeconfig-pregenerated"]:
            given["server.kubeconfigPregenerated"] = "true"
        return given


_SETTINGS = {
    "cluster-id": "clusterID",
    "address": "server.address",
    "port": "server.port",
    "state-dir": "server.stateDir",
    "generate-kubeconfig": "server.generateKubeconfig",
    "partition": "server.partition",
    "backend-mode": "server.backendMode",
}


def makeService(options: Options) -> IService:
    """Return the daemon as a service; nothing is read, opened or bound before it starts."""
    from twisted.internet import reactor  # noqa: PLC0415  # choosing the reactor is twistd's business

    return AuthdService(reactor, options)


class AuthdService(MultiService):
    """The daemon. A start that fails ends the process with a non-zero status, after saying why."""

    _log = Logger()

    def __init__(self, reactor: Any, options: Options) -> None:
        super().__init__()
        self._reactor = reactor
        self._options = options
        self._loops: list[task.LoopingCall] = []
        self._ports: list[IListeningPort] = []

    def setServiceParent(self, parent: Any) -> None:
        """Become part of twistd's application, and choose how its log is written."""
        super().setServiceParent(parent)
        if isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, log_observer(sys.stdout, self._options["log-format"]))

    def startService(self) -> None:
        """Read, build, bind and begin; on any failure say what is wrong and exit."""
        super().startService()
        try:
            self._start()
        except ConfigError as error:
            for problem in error.problems:
                self._log.critical("{problem}", problem=str(problem))
            raise SystemExit(2) from None
        except OSError as error:
            self._log.critical("authd can't start: {error}", error=str(error))
            raise SystemExit(1) from None

    def _start(self) -> None:
        path = Path(self._options["config"]).absolute()
        self._file = SettingsFile(path, load_partitions, self._options.overrides, task.Cooperator())
        settings = self._file.load()
        self._pair = self._serving_pair(settings)
        self._listen(settings, self._webhook(settings))
        self._watcher = DirectoryWatcher(self._reactor, path, self._file.check)
        self._watcher.start()
        self._every(CHECK_SECONDS, self._pair.check)
        self._handle_hangup()
        self._reactor.callWhenRunning(self._ready)

    def _serving_pair(self, settings: Settings) -> ServingPair:
        files = StateFiles(folder=Path(settings.state_dir))
        hosts = tuple(dict.fromkeys([settings.hostname, "localhost", "127.0.0.1", "::1", settings.address]))
        pair = ServingPair(
            files, hosts, lambda: datetime.now(UTC), client_certificates=settings.require_client_certificate
        )
        pair.load()
        return pair

    def _write_kubeconfig(self, settings: Settings, port: int) -> None:
        files = StateFiles(folder=Path(settings.state_dir))
        if not settings.kubeconfig_pregenerated and ensure_kubeconfig(settings, files, port):
            self._log.info("wrote the webhook kubeconfig {path}", path=settings.generate_kubeconfig)

    def _webhook(self, settings: Settings) -> WebhookFactory:
        endpoints = STSEndpoints(
            self._reactor,
            connect_timeout=settings.sts.timeout,
            ca_file=settings.sts.ca_file,
            proxy=settings.sts.proxy,
            extra=settings.sts.endpoints,
        )
        self._agent = STSAgent(self._reactor, endpoints)
        client = STSClient(
            self._reactor,
            self._agent,
            cluster_id=settings.cluster_id,
            partition=settings.partition,
            timeout=settings.sts.timeout,
        )
        hosts = STSHosts(
            partition=load_partitions()[settings.partition],
            extra_regions=settings.sts.extra_regions,
            extra_endpoints=settings.sts.endpoints,
        )
        authenticator = Authenticator(
            ask_sts=client.ask,
            hosts=hosts,
            table=lambda: self._file.settings.table,
            now=time.time,
            max_token_length=settings.max_token_length,
            concurrency=settings.sts.concurrency,
            audiences=settings.audiences,
        )
        audit = Audit(lambda: self._file.settings.scrubbed_accounts)
        return WebhookFactory(self._reactor, authenticator, audit, self._encoder)

    def _encoder(self) -> ReviewEncoder:
        settings = self._file.settings
        return ReviewEncoder(user_extra=settings.user_extra, scrubbed_accounts=settings.scrubbed_accounts)

    def _listen(self, settings: Settings, webhook: WebhookFactory) -> None:
        # As many threads for name look-ups as calls can be under way: they can't be cancelled.
        self._reactor.suggestThreadPoolSize(max(10, min(settings.sts.concurrency, 64)))
        self._listener = WebhookListener(self._reactor, webhook, self._pair.tls)
        endpoint = inherited_endpoint(self._reactor) or _tcp(self._reactor, settings.port, settings.address)
        address: Any = self._listener.listen(endpoint).getHost()
        self._write_kubeconfig(settings, settings.port or address.port)
        checks = (
            Check(name="settings", problem=self._settings_problem),
            Check(name="certificate", problem=self._pair.problem),
            Check(name="port", problem=lambda: "" if self.running else "closed"),
        )
        health = self._reactor.listenTCP(settings.health_port, health_site(checks), interface=settings.health_address)
        self._ports.append(health)
        self._log.info(
            "listening on https://{host}:{port}/authenticate, health on http://{health_host}:{health_port}",
            host=address.host,
            port=address.port,
            health_host=settings.health_address,
            health_port=health.getHost().port,
        )

    def _settings_problem(self) -> str:
        problems = self._file.problems
        return f"the last good mappings are in force: {'; '.join(map(str, problems))}" if problems else ""

    def _every(self, seconds: float, work: Any) -> None:
        loop = task.LoopingCall(work)
        loop.clock = self._reactor
        loop.start(seconds, now=False).addErrback(lambda failure: self._log.failure("a loop ended", failure=failure))
        self._loops.append(loop)

    def _handle_hangup(self) -> None:
        def reload(*_: object) -> None:
            self._reactor.callFromThread(self._file.check)
            self._reactor.callFromThread(self._pair.check)

        signal.signal(signal.SIGHUP, reload)

    def _ready(self) -> None:
        gc.collect()
        gc.freeze()  # what start-up made lives as long as the process: no collection needs to walk it
        interval = watchdog_seconds()
        if interval is not None:
            self._every(interval / 3, lambda: notify("WATCHDOG=1"))
        notify("READY=1")

    async def _stop(self) -> None:
        notify("STOPPING=1")
        for loop in self._loops:
            loop.stop()
        self._watcher.stop()
        await self._listener.stop()
        for port in self._ports:
            closing = port.stopListening()
            if closing is not None:
                await closing
        self._agent.close_idle()

    def stopService(self) -> Deferred[Any]:
        """Stop taking reviews, finish those under way, and end."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())


def _tcp(reactor: Any, port: int, address: str) -> IStreamServerEndpoint:
    kind = TCP6ServerEndpoint if ":" in address else TCP4ServerEndpoint
    endpoint: IStreamServerEndpoint = kind(reactor, port, interface=address)
    return endpoint
