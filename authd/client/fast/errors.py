"""The errors that end authd-token. Each text is one sentence for the user and never contains a secret."""

from __future__ import annotations


class ClientError(Exception):
    """No token can be made. The text names the fault and the next step."""


class UsageError(ClientError):
    """The command line or the environment is invalid."""


class UnknownArgument(UsageError):
    """An option or a word that authd-token does not have."""
