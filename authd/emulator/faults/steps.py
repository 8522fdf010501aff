"""One exchange as a list of steps: send, pause, close, reset or stall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from authd.emulator.sts.responses import Answer, Format, Outcome, render


@dataclass(frozen=True, slots=True)
class Send:
    """Put these bytes on the wire."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for so many seconds."""

    seconds: float


class Stall:
    """Send nothing more. The connection stays open until the client closes it."""


class Reset:
    """End the connection with RST."""


class Close:
    """End the connection cleanly once everything is sent."""


#: A script that comes to its end leaves the connection open for the next request, if the client wants that.
Step: TypeAlias = Send | Pause | Stall | Reset | Close


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Exchange:
    """A request's regular outcome with the inputs for its response. `close` if the client ends the connection."""

    outcome: Outcome
    form: Format
    target: bytes
    request_id: str
    date: str
    close: bool

    @property
    def answer(self) -> Answer:
        """The honest answer."""
        return self.spell(self.outcome)

    def spell(self, outcome: Outcome, form: Format | None = None) -> Answer:
        """Spell another outcome for the same request."""
        return render(outcome, form or self.form, request_id=self.request_id, date=self.date)
