"""The interface of all sources of mappings."""

from __future__ import annotations

from typing import Protocol

from authd.core.errors import Problem


class Source(Protocol):
    """A source of mappings.

    A source publishes each new table through `InForce.replace`. If its content is broken or unreachable, its last good
    table stays, and `problems` has the errors.
    """

    @property
    def name(self) -> str:
        """The source's name in `server.backendMode`."""
        ...

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The errors because of which the latest content is not in force."""
        ...

    def start(self) -> None:
        """Start watching the source. Raises `ConfigError` if the daemon can't start without it."""
        ...

    def check(self) -> None:
        """Check for a change now, without waiting for an event."""
        ...

    def stop(self) -> None:
        """Stop watching the source."""
        ...
