"""A change that a command is about to make: what it looks like, and the calls that make it."""

from __future__ import annotations

import difflib
from typing import Any, NamedTuple

from authd.kubernetes.client import APIClient

MERGE_PATCH = "application/merge-patch+json"


class Call(NamedTuple):
    """One call to the API server."""

    method: str
    path: str
    body: dict[str, Any]
    content_type: str = "application/json"


class Change(NamedTuple):
    """The difference as text, and the calls. Nothing is to be done if there are none."""

    diff: str
    calls: tuple[Call, ...]

    async def apply(self, client: APIClient) -> None:
        """Make the calls, in order. Raises `ExchangeError`, a `StatusError` for a conflict."""
        for call in self.calls:
            await client.call(call.method, call.path, body=call.body, content_type=call.content_type)


def text_diff(name: str, old: str, new: str) -> str:
    """Return a unified diff of two texts."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{name} (now)", f"{name} (then)", lineterm="", n=2
    )
    return "".join(f"{line}\n" for line in lines)
