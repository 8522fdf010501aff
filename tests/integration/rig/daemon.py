"""`twistd authd` as a process, its log and its health port."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import bare_environment, script
from tests.integration.rig.polling import GENEROUS_SECONDS, wait_until
from tests.integration.rig.webhook_client import Response, WebhookClient

Event = dict[str, Any]


class DaemonProcess:
    """A daemon in its own folder: settings in `etc/config.yaml`, state in `state`, and `kubeconfig.yaml`.

    `launcher` replaces twistd before the arguments of `twistd authd`.
    """

    def __init__(
        self,
        folder: Path,
        evidence: Evidence,
        *,
        launcher: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
        arguments: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.settings = folder / "etc" / "config.yaml"
        self.state = folder / "state"
        self.kubeconfig = folder / "kubeconfig.yaml"
        self.settings.parent.mkdir(parents=True, exist_ok=True)
        self._evidence = evidence
        self._launcher = list(launcher) or [script("twistd"), "--nodaemon", "--pidfile="]
        self._pass_fds = tuple(pass_fds)
        self._arguments = list(arguments)
        self._environment = environment or {}
        self._starts = 0
        self._output = folder / "output"
        self._errors = folder / "errors"
        self.process: subprocess.Popen[bytes]

    @property
    def command(self) -> list[str]:
        """The whole command line."""
        defaults = {
            "--config": str(self.settings),
            "--port": "0",
            "--state-dir": str(self.state),
            "--generate-kubeconfig": str(self.kubeconfig),
        }
        options = [word for name, value in defaults.items() if name not in self._arguments for word in (name, value)]
        return [*self._launcher, "authd", *options, *self._arguments]

    def launch(self) -> Self:
        """Start the process without waiting."""
        self._starts += 1
        self._output = self.folder / f"output.{self._starts}"
        self._errors = self.folder / f"errors.{self._starts}"
        self._evidence.writes("the daemon's output", self._output)
        self._evidence.writes("the daemon's standard error", self._errors)
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                self.command,
                cwd="/",
                env=bare_environment(self.folder, **self._environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                pass_fds=self._pass_fds,
            )
        return self

    def start(self) -> Self:
        """Start the process, and wait until it listens."""
        self.launch()
        listening = wait_until(self._listening, "the daemon to listen")
        self.port, self.health_port = listening["port"], listening["health_port"]
        return self

    def _listening(self) -> Event | None:
        assert self.process.poll() is None, self.said()
        return next((e for e in self.events() if e["message"].startswith("listening on https://")), None)

    def stop(self) -> int:
        """Stop the process by SIGTERM, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def ended_well(self) -> bool:
        """Return whether the process shut down after a signal: twistd cleans up, then ends by the same signal."""
        orderly = any(event["message"] == "Server Shut Down." for event in self.events())
        return orderly and self.wait() in (0, -signal.SIGTERM)

    def wait(self, seconds: float = GENEROUS_SECONDS) -> int:
        """Wait for the process to end by itself, and return its exit status."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the daemon did not end: " + self.said()) from None

    def hang_up(self) -> None:
        """Send SIGHUP."""
        self.process.send_signal(signal.SIGHUP)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def said(self) -> str:
        """Return the output since the last start."""
        return self._output.read_text() + self._errors.read_text()

    def events(self) -> list[Event]:
        """Return the log events since the last start, without an incomplete line."""
        lines = self._output.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait_for_event(self, fits: Callable[[Event], bool], what: str, after: int = 0) -> Event:
        """Wait for an event with an index of at least `after`."""
        return wait_until(lambda: next(filter(fits, self.events()[after:]), None), what)

    def wait_for_message(self, part: str, after: int = 0) -> Event:
        """Wait for an event with a text in its message."""
        return self.wait_for_event(lambda event: part in event["message"], f"an event with {part!r}", after)

    def decision(self, reference: str) -> Event:
        """Return the event of one decision."""
        return self.wait_for_event(lambda e: e.get("reference") == reference, f"the event of decision {reference}")

    def client(self) -> WebhookClient:
        """Return a client with the generated kubeconfig."""
        return WebhookClient(self.kubeconfig, self._evidence)

    def review(self, token: str, version: str = "v1", audiences: list[str] | None = None) -> Response:
        """Review a token on a new connection."""
        with self.client() as client:
            return client.review(token, version, audiences)

    def health(self, path: str) -> Response:
        """Send a GET request to the health port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.health_port, timeout=GENEROUS_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            answer = Response(status=response.status, headers=dict(response.getheaders()), body=response.read())
        finally:
            connection.close()
        self._evidence.said("the health port's answers", repr(answer))
        return answer
