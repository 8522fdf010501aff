"""The findings of `authd doctor`: severity, message, and the command that fixes the fault."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """The severity of a finding. A warning does not stop logins now, an error does or soon will."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """One line of the report. `fix` is a command or a change to make, empty if there is no fault."""

    level: Level
    message: str
    fix: str = ""


def ok(message: str) -> Finding:
    """Return a finding without a fault."""
    return Finding(Level.OK, message)


def warning(message: str, fix: str) -> Finding:
    """Return a finding that does not stop logins now."""
    return Finding(Level.WARNING, message, fix)


def error(message: str, fix: str) -> Finding:
    """Return a finding that stops logins, or soon will."""
    return Finding(Level.ERROR, message, fix)
