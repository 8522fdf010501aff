"""A response as a list of steps: send, pause, close, reset or stall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from authd.emulator.sts.responses import Format, Outcome, Response, render


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for this number of seconds."""

    seconds: float


class Stall:
    """Send nothing more. The connection stays open until the client closes it."""


class Reset:
    """End the connection with RST."""


class Close:
    """End the connection cleanly once everything is sent."""


#: After the last step of a script, the connection stays open for the next request if it is persistent.
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
    def response(self) -> Response:
        """The regular response."""
        return self.render(self.outcome)

    def render(self, outcome: Outcome, form: Format | None = None) -> Response:
        """Render another outcome for the same request."""
        return render(outcome, form or self.form, request_id=self.request_id, date=self.date)
