"""Stores changes that the lock-out guard has refused, until they are forced or superseded."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from authd.core.errors import AuthdError


class NothingRefused(AuthdError):
    """The refused change does not exist, or no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refused change of a source. `accept` puts it in force, and `reference` is its random ID."""

    source: str
    reference: str
    message: str
    accept: Callable[[], None]


class Refusals:
    """The latest refused change of each source."""

    def __init__(self) -> None:
        self._by_source: dict[str, Refusal] = {}

    @property
    def all(self) -> tuple[Refusal, ...]:
        """All refused changes."""
        return tuple(self._by_source.values())

    def add(self, source: str, message: str, accept: Callable[[], None]) -> None:
        """Store a refused change. It replaces the source's earlier one."""
        reference = secrets.token_hex(4)
        self._by_source[source] = Refusal(source=source, reference=reference, message=message, accept=accept)

    def forget(self, source: str) -> None:
        """Drop a source's refused change, because its content has changed."""
        self._by_source.pop(source, None)

    def force(self, source: str, reference: str) -> None:
        """Put a refused change in force. Raises `NothingRefused` if it is not the latest one of its source."""
        refusal = self._by_source.get(source)
        if refusal is None or refusal.reference != reference:
            raise NothingRefused(f"{source} has no such refused change any more: look at it again by `authd status`")
        del self._by_source[source]
        refusal.accept()
