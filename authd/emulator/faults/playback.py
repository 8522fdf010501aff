"""Plays a script on a connection, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from authd.emulator.faults.steps import Close, Pause, Reset, Send, Stall, Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure


@implementer(IPushProducer)
class Playback:
    """Plays a script on a request's connection, no faster than the client reads. Ends with either."""

    def __init__(self, request: Any, steps: Iterable[Step], clock: IReactorTime) -> None:
        self._request = request
        self._steps = iter(steps)
        self._clock = clock
        self._paused = False
        self._over = False
        self._timer: IDelayedCall | None = None

    def begin(self) -> None:
        """Play the first steps. A client's disconnect ends the playback."""
        self._request.notifyFinish().addErrback(self._gone)
        self._request.registerProducer(self, streaming=True)
        self._continue()

    def pauseProducing(self) -> None:
        """Pause while the client reads more slowly than the script sends."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Continue after the client has read."""
        self._paused = False
        if self._timer is None:
            self._timer = self._clock.callLater(0, self._continue)

    def stopProducing(self) -> None:
        """Send nothing more."""
        self._over = True

    def _continue(self) -> None:
        self._timer = None
        while not (self._paused or self._over):
            step = next(self._steps, None)
            if isinstance(step, Send):
                self._request.channel.write(step.data)
            elif isinstance(step, Pause):
                self._timer = self._clock.callLater(step.seconds, self._continue)
                return
            else:
                self._end(step)

    def _end(self, step: Stall | Reset | Close | None) -> None:
        self._over = True
        if isinstance(step, Stall):
            return
        self._request.unregisterProducer()
        if isinstance(step, Reset):
            self._request.channel.transport.abortConnection()
        elif isinstance(step, Close):
            self._request.channel.loseConnection()
        else:
            self._request.finish()

    def _gone(self, _: Failure) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
