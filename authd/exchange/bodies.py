"""Receives response bodies within bounds: as a whole, or as a stream with an idle timeout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from authd.exchange.errors import TooLong, Unreachable


class BodyReceiver(Protocol):
    """Passes each part of a body to `receive`. `ended` fires at its end, and fails if the body is incomplete."""

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self.ended: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Pass a part on. An exception of `receive` fails `ended`, because Twisted would only log it."""
        if self.ended.called:
            return
        try:
            self._receive(data)
        except Exception:  # raised where `ended` is awaited
            self.ended.errback(Failure())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fire `ended`."""
        if self.ended.called:
            return
        if isinstance(reason.value, ResponseDone):
            self.ended.callback(None)
        else:
            self.ended.errback(Unreachable("the connection ended before the response did"))


class Collector:
    """Collects a body of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._parts: list[bytes] = []

    def receive(self, data: bytes) -> None:
        """Store a part. Raises `TooLong` beyond the limit."""
        self._size += len(data)
        if self._size > self._limit:
            raise TooLong(f"the response is longer than {self._limit} bytes")
        self._parts.append(data)

    @property
    def body(self) -> bytes:
        """The bytes received so far."""
        return b"".join(self._parts)


class SilenceTimer:
    """Fails a body if nothing arrives for `seconds`. A dead connection gives no other sign."""

    def __init__(self, reactor: Any, seconds: float, body: BodyReceiver) -> None:
        self._seconds = seconds
        self._body = body
        self._timer = reactor.callLater(seconds, self._silent)

    def heard(self) -> None:
        """Restart the timer."""
        if self._timer.active():
            self._timer.reset(self._seconds)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer.active():
            self._timer.cancel()

    def _silent(self) -> None:
        if not self._body.ended.called:
            self._body.ended.errback(Unreachable(f"the server was silent for {self._seconds:.0f} seconds"))
