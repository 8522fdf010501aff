"""Changes that the lock-out guard has refused, until they are forced or another change takes their place."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from authd.core.errors import AuthdError


class NothingRefused(AuthdError):
    """There is no such refused change, or no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refused change of a source. `accept` puts exactly it in force, and `reference` tells it from later ones."""

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
        """All of them."""
        return tuple(self._by_source.values())

    def add(self, source: str, message: str, accept: Callable[[], None]) -> None:
        """Remember a refused change in place of an earlier one."""
        reference = secrets.token_hex(4)
        self._by_source[source] = Refusal(source=source, reference=reference, message=message, accept=accept)

    def forget(self, source: str) -> None:
        """Forget the change, because the source has something newer."""
        self._by_source.pop(source, None)

    def force(self, source: str, reference: str) -> None:
        """Put a refused change in force. Raises `NothingRefused` if it is not the latest one of its source."""
        refusal = self._by_source.get(source)
        if refusal is None or refusal.reference != reference:
            raise NothingRefused(f"{source} has no such refused change any more: look at it again by `authd status`")
        del self._by_source[source]
        refusal.accept()
