"""What is wrong with a settings file: collected while reading on, so that all of it is told at once."""

from __future__ import annotations

from typing import Protocol

from authd.core.errors import ConfigError, Problem

#: How many problems are told; what comes after is only counted, since nobody reads it.
MAX_TOLD = 100
#: How many are kept to choose the first ones from, so that a hopeless file costs no memory.
_MAX_KEPT = 300


class Place(Protocol):
    """Where something stands: counted from 1, 0 for what no file says; `option` names a command line option."""

    @property
    def line(self) -> int:
        """The line."""
        ...

    @property
    def column(self) -> int:
        """The column, in characters."""
        ...

    @property
    def option(self) -> str:
        """The command line option that gave it, empty for the file's own."""
        ...


class InvalidSettings(ConfigError):
    """A settings file that can't be used: its errors are `problems`, what else was noticed is `warnings`."""

    def __init__(self, problems: tuple[Problem, ...], warnings: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.warnings = warnings


class _Pile:
    """Problems of one kind; sorted by place when asked."""

    def __init__(self) -> None:
        self._kept: list[Problem] = []
        self.count = 0

    def add(self, problem: Problem) -> None:
        self.count += 1
        if not self.is_full:
            self._kept.append(problem)

    @property
    def is_full(self) -> bool:
        return len(self._kept) >= _MAX_KEPT

    def told(self, file: str, kind: str) -> tuple[Problem, ...]:
        first = sorted(self._kept, key=lambda problem: (problem.line, problem.column))[:MAX_TOLD]
        more = self.count - len(first)
        if more:
            first.append(Problem(file=file, line=0, column=0, message=f"and {more} more {kind}"))
        return tuple(first)


class Problems:
    """The errors and warnings found so far in one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._errors = _Pile()
        self._warnings = _Pile()

    def error(self, place: Place, message: str) -> None:
        """Note something that makes the file unusable."""
        self._errors.add(self._problem(place, message))

    @property
    def errors_are_counted_only(self) -> bool:
        """Whether there are so many errors that what another one says doesn't matter any more."""
        return self._errors.is_full

    def warn(self, place: Place, message: str) -> None:
        """Note something that is probably not meant so."""
        self._warnings.add(self._problem(place, message))

    def warnings(self) -> tuple[Problem, ...]:
        """Return the warnings in the order of their places."""
        return self._warnings.told(self.file, "warnings")

    def failure(self) -> InvalidSettings:
        """Return what is to be raised when errors were noted."""
        return InvalidSettings(self._errors.told(self.file, "errors"), self.warnings())

    def raise_errors(self) -> None:
        """Raise `InvalidSettings` if any error was noted."""
        if self._errors.count:
            raise self.failure()

    def _problem(self, place: Place, message: str) -> Problem:
        return Problem(file=place.option or self.file, line=place.line, column=place.column, message=message)
