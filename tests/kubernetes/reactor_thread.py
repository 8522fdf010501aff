"""Runs a reactor in another thread, for tests with real connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.threads import blockingCallFromThread


class ReactorThread:
    """Runs calls and coroutines in the reactor's thread."""

    def __init__(self) -> None:
        self.reactor: Any = EPollReactor()
        self._thread = threading.Thread(target=lambda: self.reactor.run(installSignalHandlers=False), daemon=True)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return blockingCallFromThread(self.reactor, function, *args, **kwargs)

    def run(self, coroutine: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return self.call(lambda: Deferred.fromCoroutine(coroutine()))

    @contextmanager
    def running(self) -> Iterator[ReactorThread]:
        self._thread.start()
        try:
            yield self
        finally:
            self.reactor.callFromThread(self.reactor.stop)
            self._thread.join()


def wait_until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until another thread has made the condition true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)
