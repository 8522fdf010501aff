"""The error that a command ends with."""

from __future__ import annotations

from authd.core.errors import AuthdError


class CommandError(AuthdError):
    """A command can't do its work. The message has the fault and the next step."""
