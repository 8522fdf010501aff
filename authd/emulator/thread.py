"""The emulator in a thread of its own, for tests and tools that don't run a reactor."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.threads import blockingCallFromThread

from authd.emulator.server import STSEmulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_Result = TypeVar("_Result")


class EmulatorThread:
    """A context manager that runs an emulator in a thread, on its own reactor.

    The arguments are those of STSEmulator without the reactor. Use the methods of `emulator` through `call`. Its
    properties may be read and assigned directly.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._reactor: Any = EPollReactor()
        self.emulator = STSEmulator(self._reactor, *args, **kwargs)
        self._thread = threading.Thread(target=self._run, name="sts-emulator", daemon=True)

    def call(self, function: Callable[..., _Result], *args: Any, **kwargs: Any) -> _Result:
        """Call a function in the emulator's thread. Returns its result or raises its exception."""
        return blockingCallFromThread(self._reactor, function, *args, **kwargs)

    def __enter__(self) -> Self:
        """Start, and return once the emulator listens."""
        self._thread.start()
        self.call(self.emulator.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and return once the thread has ended."""
        self.call(self.emulator.stop)
        self._reactor.callFromThread(self._reactor.stop)
        self._thread.join()

    def _run(self) -> None:
        self._reactor.run(installSignalHandlers=False)
