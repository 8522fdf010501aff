"""The parameters of a call in the query protocol, from the query string and the form body."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from authd.emulator.sts.errors import STSError, constraint_violated, validation_error
from authd.emulator.sts.request import query_pairs

if TYPE_CHECKING:
    from authd.emulator.sts.request import WireRequest

API_VERSION: Final = "2011-06-15"
_INTEGER = re.compile(r"[0-9]{1,9}")
_SESSION_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]*")
_SHORTEST_SESSION_NAME: Final = 2
_LONGEST_SESSION_NAME: Final = 64
_BAD_REQUEST: Final = 400
#: Unusual, but as in the STS API Reference, "Common Errors".
_MALFORMED_QUERY_STATUS: Final = 404


class Parameters:
    """The parameters. Each method returns a valid, decoded value or raises `STSError` ValidationError."""

    def __init__(self, request: WireRequest) -> None:
        self._pairs = query_pairs(request.query)
        if request.method == b"POST":
            self._pairs += query_pairs(request.body)
        self._values = {_decoded(name): value for name, value in self._pairs}

    def refuse_duplicates(self) -> None:
        """Raise `STSError` MalformedQueryString if a parameter is given twice."""
        if len(self._values) != len(self._pairs):
            raise STSError("MalformedQueryString", "A parameter is given twice", _MALFORMED_QUERY_STATUS)

    @property
    def action(self) -> str:
        """The operation's name. Raises `STSError` MissingAction if there is none."""
        action = self.optional("Action")
        if action is None:
            raise STSError("MissingAction", "The request is missing an action or a required parameter.", _BAD_REQUEST)
        return action

    @property
    def version(self) -> str:
        """The requested API version, or the empty string."""
        return self.optional("Version") or ""

    def optional(self, name: str) -> str | None:
        """Return the value, None if it is absent or empty."""
        return _decoded(self._values.get(name, b"")) or None

    def required(self, name: str) -> str:
        """Return the value. It must be present."""
        value = self.optional(name)
        if value is None:
            raise validation_error(
                f"1 validation error detected: Value null at '{_member(name)}' failed to satisfy constraint: "
                "Member must not be null"
            )
        return value

    def seconds(self, name: str, *, default: int, least: int, most: int) -> int:
        """Return a number of seconds from `least` to `most`."""
        text = self.optional(name)
        if text is None:
            return default
        if not _INTEGER.fullmatch(text):
            raise STSError("MalformedInput", f"{name} is not an integer", _BAD_REQUEST)
        if int(text) < least:
            raise constraint_violated(text, _member(name), f"have value greater than or equal to {least}")
        if int(text) > most:
            raise constraint_violated(text, _member(name), f"have value less than or equal to {most}")
        return int(text)

    def session_name(self) -> str:
        """Return RoleSessionName: 2 to 64 characters of a small alphabet (STS API Reference, AssumeRole)."""
        name = self.required("RoleSessionName")
        if len(name) < _SHORTEST_SESSION_NAME:
            raise constraint_violated(name, "roleSessionName", "have length greater than or equal to 2")
        if len(name) > _LONGEST_SESSION_NAME:
            raise constraint_violated(name, "roleSessionName", "have length less than or equal to 64")
        if not _SESSION_NAME.fullmatch(name):
            raise constraint_violated(name, "roleSessionName", r"satisfy regular expression pattern: [\w+=,.@-]*")
        return name


def _decoded(text: bytes) -> str:
    return (
        unquote_plus(text.decode("latin-1"), errors="replace")
        if b"%" in text or b"+" in text
        else text.decode("latin-1")
    )


def _member(name: str) -> str:
    return name[0].lower() + name[1:]
