"""The interface of a mapping source: a mounted file, a ConfigMap, custom resources."""

from __future__ import annotations

from typing import Protocol

from authd.core.errors import Problem


class Source(Protocol):
    """One origin of mappings.

    A source publishes each new table through `InForce.replace`. A broken or unreachable source keeps its last good
    table and describes the fault in `problems`, which is empty while its latest content is in force.
    """

    @property
    def name(self) -> str:
        """The source's name in `server.backendMode`."""
        ...

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The faults that keep the latest content out of force."""
        ...

    def start(self) -> None:
        """Begin to follow the source. Raises `ConfigError` if the daemon can't start without it."""
        ...

    def check(self) -> None:
        """Look for a change now, without waiting for the next event."""
        ...

    def stop(self) -> None:
        """Stop following the source."""
        ...
