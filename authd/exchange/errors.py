"""Failures of an HTTP exchange. Their messages hold no secret."""

from __future__ import annotations

from authd.core.errors import AuthdError


class ExchangeError(AuthdError):
    """The server gave no usable response. The call may be repeated later."""

    #: The wait that the server asked for, in seconds, 0 if none.
    retry_after = 0.0


class Unreachable(ExchangeError):
    """There was no connection, or it ended or fell silent before the response did."""


class TimedOut(Unreachable):
    """There was no whole response at the deadline."""


class BadAnswer(ExchangeError):
    """The response isn't one that such a server sends."""


class TooLong(BadAnswer):
    """The response is longer than it may be."""
