from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from authd.emulator.faults.playback import Playback
from authd.emulator.faults.steps import Close, Pause, Reset, Send, Stall, Step


class Channel:
    """Records the effects of a script on its connection."""

    def __init__(self) -> None:
        self.events: list[bytes | str] = []
        self.transport = self

    def write(self, data: bytes) -> None:
        self.events.append(data)

    def abortConnection(self) -> None:
        self.events.append("reset")

    def loseConnection(self) -> None:
        self.events.append("close")


class Request:
    """The parts of a request that a script needs."""

    def __init__(self) -> None:
        self.channel = Channel()
        self.producing = False
        self.gone: Deferred[None] = Deferred()

    def notifyFinish(self) -> Deferred[None]:
        return self.gone

    def registerProducer(self, producer: object, *, streaming: bool) -> None:
        assert streaming
        self.producing = True

    def unregisterProducer(self) -> None:
        self.producing = False

    def finish(self) -> None:
        self.channel.events.append("finish")


class Played:
    def __init__(self, steps: Iterable[Step]) -> None:
        self.request, self.clock = Request(), Clock()
        self.events = self.request.channel.events
        self.playback = Playback(self.request, steps, self.clock)
        self.playback.begin()


@pytest.mark.parametrize(
    ("end", "events", "producing"),
    [
        ([], ["finish"], False),
        ([Reset()], ["reset"], False),
        ([Close()], ["close"], False),
        ([Stall()], [], True),
    ],
)
def test_ends(end: list[Step], events: list[str], producing: bool) -> None:
    """A script ends with the request finished, the connection closed, or silence."""
    played = Played([Send(b"a"), Send(b"b"), *end])
    assert played.events == [b"a", b"b", *events]
    assert played.request.producing is producing
    played.playback.resumeProducing()
    played.clock.advance(1)
    assert played.events == [b"a", b"b", *events]


def test_pause() -> None:
    """A pause has its duration."""
    played = Played([Pause(2), Send(b"a")])
    played.clock.advance(1.9)
    assert played.events == []
    played.clock.advance(0.2)
    assert played.events == [b"a", "finish"]


def test_slow_reader() -> None:
    """Nothing is sent while the client does not read, even of an endless script. Then the script continues."""
    played = Played(step for pair in repeat((Send(b"a"), Pause(1))) for step in pair)
    played.playback.pauseProducing()
    for _ in range(10):
        played.clock.advance(1)
    assert played.events == [b"a"]
    played.playback.resumeProducing()
    for _ in range(3):
        played.clock.advance(1)
    assert len(played.events) == 4


def test_reader_that_pauses_within_a_pause() -> None:
    """A client that stops and resumes reading during a pause does not shorten it."""
    played = Played([Pause(5), Send(b"a")])
    played.playback.pauseProducing()
    played.playback.resumeProducing()
    played.clock.advance(4)
    assert played.events == []
    played.clock.advance(1)
    assert played.events == [b"a", "finish"]


def test_client_that_leaves() -> None:
    """If the client disconnects the script ends and leaves no timer."""
    played = Played([Pause(5), Send(b"a")])
    played.request.gone.errback(Failure(ConnectionDone()))
    assert played.clock.getDelayedCalls() == []
    played.playback.resumeProducing()
    played.clock.advance(10)
    assert played.events == []


def test_stopped() -> None:
    """A stopped producer sends nothing more."""
    played = Played([Pause(5), Send(b"a")])
    played.playback.stopProducing()
    played.clock.advance(10)
    assert played.events == []
