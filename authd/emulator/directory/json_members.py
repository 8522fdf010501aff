"""The members of a JSON object, taken one by one; what nobody took is an error."""

from __future__ import annotations

from typing import Any, TypeVar

from authd.emulator.errors import EmulatorError

_Type = TypeVar("_Type")


class Members:
    """An object's members; EmulatorError, which names ``place`` and never shows a value, for what isn't one."""

    def __init__(self, members: object, place: str) -> None:
        if not isinstance(members, dict):
            raise EmulatorError(f"{place} must be an object")
        self.place = place
        self._members: dict[str, Any] = members
        self._taken: set[str] = set()

    def names(self) -> list[str]:
        """Give the names of all members."""
        return list(self._members)

    def take(self, name: str, kind: type[_Type], default: _Type | None = None) -> _Type:
        """Give a member of this type; without a default it must be there."""
        value = self.optional(name, kind)
        if value is not None:
            return value
        if default is None:
            raise EmulatorError(f"{self.place}.{name} is missing")
        return default

    def optional(self, name: str, kind: type[_Type]) -> _Type | None:
        """Give a member of this type, or None where it is absent."""
        self._taken.add(name)
        value = self._members.get(name)
        if value is None:
            return None
        # A bool is an int to Python, and to nobody who writes JSON.
        if not isinstance(value, kind) or isinstance(value, bool):
            raise EmulatorError(f"{self.place}.{name} must be of type {kind.__name__}")
        return value

    def entries(self, name: str) -> list[Members]:
        """Give the objects of a list, empty where it is absent."""
        values = self.take(name, list, [])
        return [Members(value, f"{self.place}.{name}[{index}]") for index, value in enumerate(values)]

    def texts(self, name: str) -> list[str]:
        """Give the strings of a list, empty where it is absent."""
        values = self.take(name, list, [])
        if not all(isinstance(value, str) for value in values):
            raise EmulatorError(f"{self.place}.{name} must be a list of strings")
        return values

    def finish(self) -> None:
        """Raise EmulatorError for a member that nobody took."""
        unknown = sorted(self._members.keys() - self._taken)
        if unknown:
            raise EmulatorError(
                f"{self.place} has no member {unknown[0]!r}; known are {', '.join(sorted(self._taken))}"
            )
