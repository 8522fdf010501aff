"""Reads the members of a JSON object one by one. A member that was not read is an error."""

from __future__ import annotations

from typing import Any, TypeVar

from authd.emulator.directory.errors import EmulatorError

_Type = TypeVar("_Type")


class Members:
    """An object's members. `EmulatorError` names the `place` of an error and never shows a value."""

    def __init__(self, members: object, place: str) -> None:
        if not isinstance(members, dict):
            raise EmulatorError(f"{place} must be an object")
        self.place = place
        self._members: dict[str, Any] = members
        self._taken: set[str] = set()

    def names(self) -> list[str]:
        """Return the names of all members."""
        return list(self._members)

    def take(self, name: str, kind: type[_Type], default: _Type | None = None) -> _Type:
        """Return a member of this type. Without a default it is required."""
        value = self.optional(name, kind)
        if value is not None:
            return value
        if default is None:
            raise EmulatorError(f"{self.place}.{name} is missing")
        return default

    def optional(self, name: str, kind: type[_Type]) -> _Type | None:
        """Return a member of this type, None if it is absent."""
        self._taken.add(name)
        value = self._members.get(name)
        if value is None:
            return None
        # A bool is an int in Python, but not in JSON.
        if not isinstance(value, kind) or isinstance(value, bool):
            raise EmulatorError(f"{self.place}.{name} must be of type {kind.__name__}")
        return value

    def entries(self, name: str) -> list[Members]:
        """Return the objects of a list, empty if it is absent."""
        values = self.take(name, list, [])
        return [Members(value, f"{self.place}.{name}[{index}]") for index, value in enumerate(values)]

    def texts(self, name: str) -> list[str]:
        """Return the strings of a list, empty if it is absent."""
        values = self.take(name, list, [])
        if not all(isinstance(value, str) for value in values):
            raise EmulatorError(f"{self.place}.{name} must be a list of strings")
        return values

    def finish(self) -> None:
        """Raise `EmulatorError` for a member that was not read."""
        unknown = sorted(self._members.keys() - self._taken)
        if unknown:
            raise EmulatorError(
                f"{self.place} has no member {unknown[0]!r}; known are {', '.join(sorted(self._taken))}"
            )
