"""Receive response bodies within bounds: whole, or as a stream with a limit on silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from authd.exchange.errors import TooLong, Unreachable


class BodyReceiver(Protocol):
    """Hands each part of a body to `receive`; `ended` fires at the end, and fails if that isn't a clean one."""

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self.ended: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Hand on a part. An error ends the body: Twisted would only log it."""
        if self.ended.called:
            return
        try:
            self._receive(data)
        except Exception:  # whoever awaits `ended` gets it
            self.ended.errback(Failure())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note the end."""
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
        """Take a part; raises `TooLong` beyond the limit."""
        self._size += len(data)
        if self._size > self._limit:
            raise TooLong(f"the response is longer than {self._limit} bytes")
        self._parts.append(data)

    @property
    def body(self) -> bytes:
        """What has arrived."""
        return b"".join(self._parts)


class SilenceTimer:
    """Fails a body if nothing arrives for `seconds`: a dead connection makes no other sign."""

    def __init__(self, reactor: Any, seconds: float, body: BodyReceiver) -> None:
        self._seconds = seconds
        self._body = body
        self._timer = reactor.callLater(seconds, self._silent)

    def heard(self) -> None:
        """Begin to wait anew."""
        if self._timer.active():
            self._timer.reset(self._seconds)

    def stop(self) -> None:
        """End waiting."""
        if self._timer.active():
            self._timer.cancel()

    def _silent(self) -> None:
        if not self._body.ended.called:
            self._body.ended.errback(Unreachable(f"the server was silent for {self._seconds:.0f} seconds"))
