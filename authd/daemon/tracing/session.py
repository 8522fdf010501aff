"""The exporter's HTTP session. It follows no redirects, bounds responses, and keeps the reason of a failure."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import requests

#: A collector's responses have a few hundred bytes.
_MAX_RESPONSE_BYTES = 65_536


class CollectorSession(requests.Session):
    """A session for one collector. `problem` is the error of the last call, empty after a success."""

    def __init__(self) -> None:
        super().__init__()
        self.problem = ""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request. Raises `requests.RequestException`."""
        try:
            # A redirect would carry the secret headers to another host.
            response = super().send(request, **{**kwargs, "allow_redirects": False, "stream": True})
            response.raw.read(_MAX_RESPONSE_BYTES)  # the connection is reused only after a complete read
            response.close()
        except Exception as error:
            self.problem = _reason(error)
            raise
        if HTTPStatus.MULTIPLE_CHOICES <= response.status_code < HTTPStatus.BAD_REQUEST:
            self.problem = f"it redirects (HTTP {response.status_code}): set server.tracing.endpoint to the final URL"
            raise requests.TooManyRedirects(self.problem)
        self.problem = "" if response.ok else f"it answered with HTTP {response.status_code}"
        return response


def _reason(error: BaseException) -> str:
    """Return the reason of a failed call. The messages of requests are not used, because they can contain headers."""
    chain = list(_chain(error))
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"its certificate is refused ({each.verify_message}): see server.tracing.caFile"
        if isinstance(each, socket.gaierror):
            return "its host name can't be resolved"
    if isinstance(error, requests.Timeout):
        return "it did not answer in time"
    number = next((each.errno for each in chain if isinstance(each, OSError) and each.errno), None)
    return os.strerror(number) if number else type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes. requests wraps urllib3's errors, which wrap those of the system."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__context__, each.__cause__, getattr(each, "reason", None), *each.args]
