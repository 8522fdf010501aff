"""Errors of the Kubernetes API. Their messages are for an operator and contain no secret."""

from __future__ import annotations

from http import HTTPStatus

from authd.exchange.errors import ExchangeError


class StatusError(ExchangeError):
    """An error status of the API server. `code` is the HTTP status, `reason` a word such as `Forbidden`."""

    def __init__(self, code: int, reason: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(f"the API server answered {code}{f' ({message})' if message else ''}")
        self.code = code
        self.reason = reason
        self.retry_after = retry_after

    @property
    def is_expired(self) -> bool:
        """Whether the resourceVersion or the page is too old, so that the list must be read again."""
        return self.code == HTTPStatus.GONE or self.reason in {"Expired", "Gone"}

    @property
    def is_conflict(self) -> bool:
        """Whether another client has changed the object in the meantime."""
        return self.code == HTTPStatus.CONFLICT
