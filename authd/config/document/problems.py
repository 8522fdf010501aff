"""Collects the errors and warnings of a settings file, so that all of them are reported at once."""

from __future__ import annotations

from typing import Protocol

from authd.config.document.nodes import Origin
from authd.core.errors import ConfigError, Problem

#: Problems that are reported. Further ones are only counted.
MAX_REPORTED = 100
#: Problems that are stored until they are sorted. Bounds the memory for a file with errors everywhere.
_MAX_KEPT = 300


class Place(Protocol):
    """A place in a file. Line and column count from 1. They are 0 if there is no file."""

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
        """The option or alias that the value is from, None for most values."""
        ...


class InvalidSettings(ConfigError):
    """The file has errors, which are in `problems`. `warnings` has its warnings."""

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
        """Return a place as `file:line:column`, or the file alone if there is no line."""
        return f"{self.file}:{place.line}:{place.column}" if place.line else self.file

    def error(self, place: Place, message: str) -> None:
        """Add an error, which makes the file unusable."""
        self._errors.add(self._problem(place, message))

    @property
    def errors_are_counted_only(self) -> bool:
        """Whether further errors are only counted, so that their text doesn't matter."""
        return self._errors.is_full

    @property
    def has_errors(self) -> bool:
        """Whether there is any error."""
        return bool(self._errors.count)

    @property
    def error_count(self) -> int:
        """The number of errors so far."""
        return self._errors.count

    def warn(self, place: Place, message: str) -> None:
        """Add a warning of a value that is probably not intended."""
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
        """Raise `InvalidSettings` if there is any error."""
        if self.has_errors:
            raise self.failure()

    def _problem(self, place: Place, message: str) -> Problem:
        file, origin = self.file, place.origin
        if origin is not None and origin.option:
            file = origin.option
        elif origin is not None:
            message = f"{message} (used by the alias *{origin.alias} in line {origin.line}, column {origin.column})"
        return Problem(file=file, line=place.line, column=place.column, message=message)
