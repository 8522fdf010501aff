"""What a command says when it can't do its work."""

from __future__ import annotations

from authd.core.errors import AuthdError


class CommandError(AuthdError):
    """A command can't do what was asked; the message says what is wrong and what to do."""
