"""The HTTP side of a connection: parses requests and writes responses."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from twisted.web.http import HTTPChannel, Request

from authd.emulator.faults.playback import Playback
from authd.emulator.faults.steps import Send
from authd.emulator.sts.request import WireRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted.internet.interfaces import IReactorTime

    from authd.emulator.faults.steps import Step

#: Exceeds every call: the largest parameter is a web identity token of 20 000 characters.
LARGEST_BODY_BYTES: Final = 128 * 1024


class EmulatorRequest(Request):
    """A request. The response begins when its last byte has arrived."""

    channel: Any
    content: Any

    def gotLength(self, length: int | None) -> None:
        """Collect the body in memory, never in a file."""
        self.content = BytesIO()
        self._refuse_beyond_limit(length or 0)

    def handleContentChunk(self, data: bytes) -> None:
        """Collect a part of the body, up to the limit."""
        self._refuse_beyond_limit(self.content.tell() + len(data))
        self.content.write(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Send the response. `path` is the whole request target as received."""
        self.clientproto = version
        headers = tuple(
            (name.lower(), value) for name, values in self.requestHeaders.getAllRawHeaders() for value in values
        )
        request = WireRequest(method=command, target=path, headers=headers, body=self.content.getvalue())
        self._play(self.channel.factory.respond(self.channel, request))

    def _play(self, steps: Send | Iterable[Step]) -> None:
        # The steps write the whole response, so finish() must not write a head.
        self.startedWriting = 1
        if isinstance(steps, Send):
            self.channel.write(steps.data)
            self.finish()
        else:
            Playback(self, steps, self.channel.factory.clock).begin()

    def _refuse_beyond_limit(self, length: int) -> None:
        if length > LARGEST_BODY_BYTES:
            self.channel.transport.abortConnection()


class EmulatorChannel(HTTPChannel):
    """A connection. A client that uses the control endpoint has no idle timeout."""

    requestFactory = EmulatorRequest
    may_idle = False

    def __init__(self, clock: IReactorTime, idle_timeout: float) -> None:
        super().__init__()
        timer: Any = self
        timer.callLater = clock.callLater
        timer.timeOut = idle_timeout

    def setTimeout(self, period: float | None) -> float | None:
        """Set the idle timeout, unless the connection may idle."""
        previous: float | None = super().setTimeout(None if self.may_idle else period)
        return previous
