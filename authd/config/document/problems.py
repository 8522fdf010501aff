"""Errors and warnings of a settings file, collected while reading continues, so that all are reported at once."""

from __future__ import annotations

from typing import Protocol

from authd.config.document.nodes import Origin
from authd.core.errors import ConfigError, Problem

#: Problems that are reported. Further ones are only counted, since nobody reads them.
MAX_REPORTED = 100
#: Problems that are kept to choose the first ones from, so that a hopeless file costs no memory.
_MAX_KEPT = 300


class Place(Protocol):
    """A place in a file: line and column count from 1, and are 0 if there is no file."""

    @property
    def line(self) -> int:
        """The line."""
        ...

    @property
    def column(self) -> int:
        """The column, in characters."""
        ...

    @property
    def origin(self) -> Origin | None:
        """The option or alias that brought the value here, None for most values."""
        ...


class InvalidSettings(ConfigError):
    """A settings file that can't be used: `problems` are its errors, `warnings` its warnings."""

    def __init__(self, problems: tuple[Problem, ...], warnings: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.warnings = warnings


class _ProblemList:
    """Problems of one kind, sorted by place on demand."""

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

    def reported(self, file: str, kind: str) -> tuple[Problem, ...]:
        first = sorted(self._kept, key=lambda problem: (problem.line, problem.column))[:MAX_REPORTED]
        more = self.count - len(first)
        if more:
            first.append(Problem(file=file, line=0, column=0, message=f"and {more} more {kind}"))
        return tuple(first)


class Problems:
    """The errors and warnings found so far in one source.

    `file` precedes line and column in every place. It need not be a file: `configmap kube-system/aws-auth mapRoles`
    gives places such as `configmap kube-system/aws-auth mapRoles:3:5`.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self._errors = _ProblemList()
        self._warnings = _ProblemList()

    def where(self, place: Place) -> str:
        """Return a place in words: `file:line:column`, or the file alone if there is no line."""
        return f"{self.file}:{place.line}:{place.column}" if place.line else self.file

    def error(self, place: Place, message: str) -> None:
        """Note an error, which makes the file unusable."""
        self._errors.add(self._problem(place, message))

    @property
    def errors_are_counted_only(self) -> bool:
        """Whether there are so many errors that the text of another one doesn't matter any more."""
        return self._errors.is_full

    @property
    def has_errors(self) -> bool:
        """Whether any error was noted."""
        return bool(self._errors.count)

    @property
    def error_count(self) -> int:
        """The number of errors noted so far."""
        return self._errors.count

    def warn(self, place: Place, message: str) -> None:
        """Note a value that is probably not intended."""
        self._warnings.add(self._problem(place, message))

    def errors(self) -> tuple[Problem, ...]:
        """Return the errors in the order of their places."""
        return self._errors.reported(self.file, "errors")

    def warnings(self) -> tuple[Problem, ...]:
        """Return the warnings in the order of their places."""
        return self._warnings.reported(self.file, "warnings")

    def failure(self) -> InvalidSettings:
        """Return the exception with every error and warning."""
        return InvalidSettings(self.errors(), self.warnings())

    def raise_errors(self) -> None:
        """Raise `InvalidSettings` if any error was noted."""
        if self.has_errors:
            raise self.failure()

    def _problem(self, place: Place, message: str) -> Problem:
        file, origin = self.file, place.origin
        if origin is not None and origin.option:
            file = origin.option
        elif origin is not None:
            message = f"{message} (used by the alias *{origin.alias} in line {origin.line}, column {origin.column})"
        return Problem(file=file, line=place.line, column=place.column, message=message)
