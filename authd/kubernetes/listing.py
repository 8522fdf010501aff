"""Reads a whole list page by page, in short steps that don't block the reactor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.task import deferLater

from authd.exchange.errors import InvalidResponse, TooLong
from authd.kubernetes.client import APIClient, JSONObject
from authd.kubernetes.list_page import ListPage
from authd.kubernetes.object_cache import MAX_OBJECTS, check_object
from authd.kubernetes.status import check_kind

#: Objects per page, as in kubectl. Each page costs a connection.
PAGE_SIZE = 500
#: The factor by which pages get smaller if one exceeds the limit for responses.
_SMALLER = 8
#: A list that takes longer is considered endless.
_MAX_SECONDS = 600.0
#: Seconds that reading may block the reactor at a time.
_SLICE_SECONDS = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A collection of objects of one kind, by its path. `name` selects a single object."""

    path: str
    kind: str
    name: str = ""

    @property
    def selector(self) -> dict[str, str]:
        """The query that selects the object. RBAC with resourceNames requires it for list and watch."""
        return {"fieldSelector": f"metadata.name={self.name}"} if self.name else {}

    @property
    def namespace(self) -> str:
        """The namespace in the path, empty for objects of the whole cluster."""
        return self.path.partition("/namespaces/")[2].partition("/")[0]

    def check_kind(self, content: JSONObject) -> None:
        """Raise `InvalidResponse` for an object of another kind."""
        check_kind(content, self.kind)

    def check(self, content: JSONObject) -> None:
        """Raise `InvalidResponse` for an object that was not requested: of another kind, namespace or name."""
        check_object(content, self.kind, self.namespace, self.name)


class Listing:
    """Reads the list of a resource and calls `handle` with each object. An exception of `handle` ends the list."""

    def __init__(self, client: APIClient, resource: Resource, handle: Callable[[JSONObject], object]) -> None:
        self._reactor = client.reactor
        self._client = client
        self._resource = resource
        self._handle = handle
        self._size = PAGE_SIZE
        self._count = 0

    async def read(self) -> str:
        """Read all pages and return the list's resourceVersion. Raises `ExchangeError` or `ConfigError`."""
        begun = self._reactor.seconds()
        token = ""
        while True:
            page = await self._page(token)
            if not page.token:
                return page.version
            if page.token == token or self._reactor.seconds() - begun > _MAX_SECONDS:
                raise InvalidResponse("the API server's list does not end")
            token = page.token

    async def _page(self, token: str) -> ListPage:
        page = ListPage(await self._body(token), self._resource.kind)
        before, end = self._count, time.monotonic() + _SLICE_SECONDS
        for item in page.items():
            self._resource.check(item)
            self._handle(item)
            self._count += 1
            if self._count > MAX_OBJECTS:
                raise InvalidResponse(f"the API server's list has more than {MAX_OBJECTS} objects")
            if time.monotonic() >= end:
                await deferLater(self._reactor, 0, lambda: None)
                end = time.monotonic() + _SLICE_SECONDS
        if page.token and self._count == before:
            raise InvalidResponse("the API server's list does not end")
        return page

    async def _body(self, token: str) -> bytes:
        while True:
            query = {**self._resource.selector, "limit": str(self._size), **({"continue": token} if token else {})}
            try:
                return await self._client.fetch(self._resource.path, query)
            except TooLong:
                if self._size == 1:
                    raise
                self._size = max(1, self._size // _SMALLER)
