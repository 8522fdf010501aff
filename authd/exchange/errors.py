"""Failures of an HTTP exchange. Their messages contain no secret."""

from __future__ import annotations

from authd.core.errors import AuthdError


class ExchangeError(AuthdError):
    """The server sent no usable response. The call may be retried later."""

    #: The wait that the server asked for, in seconds, 0 if none.
    retry_after = 0.0


class Unreachable(ExchangeError):
    """There was no connection, or it ended or stalled before the response was complete."""


class TimedOut(Unreachable):
    """The response was not complete at the deadline."""


class InvalidResponse(ExchangeError):
    """The response is not valid for this kind of server."""


class TooLong(InvalidResponse):
    """The response exceeds its size limit."""
