"""The emulator as a child process, driven over its control endpoint. Imports no Twisted."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final, Self

from authd.emulator.directory.errors import EmulatorError
from authd.emulator.faults.counters import Counters

if TYPE_CHECKING:
    from types import TracebackType

    from authd.emulator.faults.plan import Fault, Phase

_END_SECONDS: Final = 10.0
_CONTROL_SECONDS: Final = 10.0


class EmulatorProcess:
    """A context manager that runs `python -m authd.emulator --control` with further arguments.

    `port` is its port on 127.0.0.1, and `ca` the path of the CA to trust.
    """

    port: int
    ca: str

    def __init__(self, *arguments: str) -> None:
        self._command = [sys.executable, "-m", "authd.emulator", "--control", *arguments]

    def inject(self, fault: Fault, *, phase: Phase | None = None, **settings: Any) -> None:
        """Apply a fault to the next connections or requests. The settings are those of `Injection`."""
        members = {"fault": fault.label} | ({"phase": phase.value} if phase else {}) | settings
        self._control("inject", members)

    def clear(self) -> None:
        """Remove all faults."""
        self._control("clear", {})

    def counters(self) -> Counters:
        """Return the counters."""
        return Counters(**self._control("counters", {}))

    def set_clock_offset(self, seconds: float) -> None:
        """Set the emulator's clock ahead of the real one by this number of seconds."""
        self._control("clock", {"offset": seconds})

    def __enter__(self) -> Self:
        """Start the process, and return once it listens. Raises `EmulatorError` if it ends instead."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._end()
            raise EmulatorError("the emulator did not start; its standard error says why")
        ready = json.loads(line)
        self.port, self.ca = ready["port"], ready["ca"]
        # Opened now and kept, because a fault at accept would affect a later connection.
        self._connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=ssl.create_default_context(cafile=self.ca), timeout=_CONTROL_SECONDS
        )
        self.counters()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process by SIGTERM, and return once it has ended."""
        self._connection.close()
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _control(self, command: str, members: dict[str, Any]) -> dict[str, Any]:
        self._connection.request(
            "POST", f"/_emulator/{command}", json.dumps(members), {"Content-Type": "application/json"}
        )
        response = self._connection.getresponse()
        content: dict[str, Any] = json.loads(response.read())
        if response.status != http.client.OK:
            raise EmulatorError(content["error"])
        return content
