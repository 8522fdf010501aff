"""A planned change: its diff, and the API calls that apply it."""

from __future__ import annotations

import difflib
from http import HTTPStatus
from typing import Any, NamedTuple

from authd.cli.shared.errors import CommandError
from authd.kubernetes.client import APIClient, JSONObject
from authd.kubernetes.errors import StatusError

MERGE_PATCH = "application/merge-patch+json"


class Call(NamedTuple):
    """One call to the API server."""

    method: str
    path: str
    body: dict[str, Any]
    content_type: str = "application/json"

    async def make(self, client: APIClient) -> None:
        """Make the call. Raises `ExchangeError`, a `StatusError` for a conflict."""
        await client.call(self.method, self.path, body=self.body, content_type=self.content_type)


class Creation(NamedTuple):
    """The creation of a custom resource, which fails if the API server does not store every member of its spec.

    The API server drops members that the resource's schema lacks, and a rule without its `validUntil` would never end.
    With strict field validation, new API servers refuse such an object. On older ones it is deleted again.
    """

    path: str
    body: dict[str, Any]

    async def make(self, client: APIClient) -> None:
        """Create the object. Raises `ExchangeError`, and `CommandError` if a member would be dropped."""
        try:
            stored = await client.call("POST", self.path, {"fieldValidation": "Strict"}, body=self.body)
        except StatusError as error:
            if error.code != HTTPStatus.BAD_REQUEST:
                raise
            raise CommandError(f"{error}: {_OLD_SCHEMA}") from None
        lost = [name for name in self.body["spec"] if name not in (stored.get("spec") or {})]
        if lost:
            await client.call("DELETE", f"{self.path}/{self.body['metadata']['name']}", body=_delete_options(stored))
            raise CommandError(f"the API server dropped {' and '.join(lost)}, so nothing was created: {_OLD_SCHEMA}")


_OLD_SCHEMA = "the cluster's definition of the custom resource is an old one: apply deploy/kubernetes/crd.yaml first"


def _delete_options(content: JSONObject) -> dict[str, Any]:
    preconditions = {"uid": content.get("metadata", {}).get("uid")}
    return {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}


class Change(NamedTuple):
    """A diff, and the calls that apply it. Without calls, nothing changes."""

    diff: str
    calls: tuple[Call | Creation, ...]

    async def apply(self, client: APIClient) -> None:
        """Make the calls, in order. Raises `ExchangeError`, a `StatusError` for a conflict."""
        for call in self.calls:
            await call.make(client)


def text_diff(name: str, old: str, new: str) -> str:
    """Return a unified diff of two texts."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{name} (now)", f"{name} (then)", lineterm="", n=2
    )
    return "".join(f"{line}\n" for line in lines)
