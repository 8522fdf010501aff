"""The errors that end authd-token; their text is one sentence for the user and never holds a secret."""

from __future__ import annotations


class ClientError(Exception):
    """No token can be made: the text says what failed and what to try."""


class UsageError(ClientError):
    """The command line or the environment asks for something that does not exist or does not fit together."""
