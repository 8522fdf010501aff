"""A cookie jar for treq that stores and sends nothing: the daemon's calls need no cookies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from treq.cookies import IndexableCookieJar


class NoCookies(IndexableCookieJar):
    """Stores and sends nothing."""

    def __iter__(self) -> Iterator[Any]:
        """Return no cookies."""
        return iter(())

    def add_cookie_header(self, request: Any) -> None:
        """Add nothing."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Store nothing."""
