"""Parses errors of the API server: the HTTP status and the `Status` object in the body.

Source: Kubernetes API conventions, "Response Status Kind".
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from authd.exchange.errors import InvalidResponse
from authd.kubernetes.errors import StatusError

_MAX_MESSAGE = 300
#: The longest Retry-After in seconds, so that a wrong header can't stop the daemon's watch for hours.
_LONGEST_WAIT = 60


def status_error(code: int, body: bytes, retry_after: bytes = b"", token: bytes = b"") -> StatusError:
    """Return the error for a response. The message is dropped if it contains the token."""
    try:
        status = json.loads(body)
    except (ValueError, RecursionError):
        status = None
    return error_of_status(status, code, _seconds(retry_after), token)


def error_of_status(status: object, code: int = 0, retry_after: float = 0.0, token: bytes = b"") -> StatusError:
    """Return the error that a `Status` object describes. `code` is the HTTP status, 0 if it is unknown."""
    members = status if isinstance(status, dict) else {}
    given = members.get("code")
    if not code:
        code = given if isinstance(given, int) else 500
    message = _text(members.get("message"))
    if token and token.decode("ascii", "replace") in message:
        message = ""
    return StatusError(code, _text(members.get("reason")), message, retry_after)


def check_kind(content: Mapping[str, object], kind: str, suffix: str = "") -> None:
    """Raise `StatusError` for an error with a successful HTTP status, and `InvalidResponse` for another kind of object.

    A missing kind is accepted, because API servers omit it in the items of a list.
    """
    given = content.get("kind", "")
    if given == "Status" and content.get("status") != "Success":
        raise error_of_status(content)
    if given not in ("", suffix, f"{kind}{suffix}"):  # a tuple, since the kind may be unhashable
        raise InvalidResponse(f"the API server sent the kind {_text(given) or '?'} in place of {kind}{suffix}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    text = value if len(value) <= _MAX_MESSAGE else value[:_MAX_MESSAGE] + "…"
    return text if text.isprintable() else ascii(text)


def _seconds(header: bytes) -> float:
    return float(min(int(header), _LONGEST_WAIT)) if header.isdigit() and len(header) < 6 else 0.0  # noqa: PLR2004  # five digits are a day
