"""One exchange as a list of steps: what to send, when to wait, how to end."""

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
    """Say nothing more; the connection stays open until the client gives up."""


class Reset:
    """End the connection with RST."""


class Close:
    """End the connection cleanly once everything is sent."""


Step: TypeAlias = Send | Pause | Stall | Reset | Close
"""A script that comes to its end leaves the connection open for the next request, if the client wants that."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Exchange:
    """The request's honest outcome and what is needed to spell it; ``close`` when the client wants the end."""

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
