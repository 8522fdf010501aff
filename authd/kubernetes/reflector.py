"""List, then watch, for ever: keeps a cache like the API server's objects, and says why if it can't."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from authd.core.errors import ConfigError
from authd.exchange.errors import BadAnswer, ExchangeError
from authd.kubernetes.backoff import Backoff
from authd.kubernetes.client import APIClient, JSONObject
from authd.kubernetes.errors import StatusError
from authd.kubernetes.events import EventDecoder, EventType, version_of

_log = Logger(namespace="authd.kubernetes")

#: Objects per page. One page takes some milliseconds to read, in one turn of the reactor.
PAGE_SIZE = 250
#: More than any cluster has: a lying server must not fill the memory.
MAX_OBJECTS = 100_000
#: The server ends a watch after this many seconds, up to twice as many, so that daemons don't return in step.
_WATCH_SECONDS = 240
#: Servers send a bookmark about every minute.
SILENCE_SECONDS = 150.0
#: A watch that lasted this long was a good one.
_GOOD_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A kind of objects: the path of its collection, and the one object's name if only that is wanted."""

    path: str
    name: str = ""

    @property
    def selector(self) -> dict[str, str]:
        """The query that selects the object; RBAC with resourceNames allows list and watch only with it."""
        return {"fieldSelector": f"metadata.name={self.name}"} if self.name else {}


class Cache(Protocol):
    """Takes the objects; see `ObjectCache`."""

    def begin_list(self) -> None:
        """Begin a new list."""

    def add_listed(self, content: JSONObject, /) -> int:
        """Take an object of the list."""
        ...

    def end_list(self) -> None:
        """Put the list in force."""

    def put(self, content: JSONObject, /) -> None:
        """Take a new or changed object."""

    def remove(self, content: JSONObject, /) -> None:
        """Forget an object."""


class Reflector:
    """Keeps `cache` up to date from `start` to `stop`.

    `problem` is empty while the cache follows the server; `reported` is called whenever that changes. `synced` says
    whether a list was ever complete.
    """

    def __init__(
        self,
        reactor: Any,
        client: APIClient,
        resource: Resource,
        cache: Cache,
        *,
        reported: Callable[[], None] = lambda: None,
        silence: float = SILENCE_SECONDS,
        backoff: Backoff | None = None,
    ) -> None:
        self._reactor = reactor
        self._client = client
        self._resource = resource
        self._cache = cache
        self._reported = reported
        self._silence = silence
        self._backoff = backoff or Backoff(random.random)
        self._version = ""
        self._running: Deferred[None] | None = None
        self._stopped = False
        self.problem = ""
        self.synced = False

    def start(self) -> None:
        """Begin."""
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(lambda failure: failure.trap(CancelledError) and None)

    def stop(self) -> None:
        """End, with the connection."""
        self._stopped = True
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> None:
        while True:
            begun = self._reactor.seconds()
            wait = await self._attempt()
            if self._stopped:  # the call that was cancelled may have failed in its own way
                return
            if self._reactor.seconds() - begun >= _GOOD_SECONDS and not self.problem:
                self._backoff.reset()
            await deferLater(self._reactor, self._backoff.pause(wait), lambda: None)

    async def _attempt(self) -> float:
        """List if need be, watch to the end, and return how long the server asked us to wait."""
        try:
            if not self._version:
                await self._list()
            await self._watch()
        except StatusError as error:
            if error.is_expired:
                self._version = ""  # nothing is wrong: the history that we stopped at is gone
            else:
                self._report(str(error))
            return error.retry_after
        except (ExchangeError, ConfigError) as error:
            if isinstance(error, BadAnswer):
                self._version = ""
            self._report(str(error))
        except CancelledError:
            raise
        except Exception as error:  # a bug must not end the watch for ever
            if self._stopped:  # the end of a cancelled connection has errors of its own
                return 0.0
            _log.failure("watching {path} failed", path=self._resource.path)
            self._version = ""
            self._report(f"internal error ({type(error).__name__})")
        return 0.0

    async def _list(self) -> None:
        gc.disable()  # full collections among thousands of new objects would stall the reactor
        try:
            await self._list_all()
            gc.freeze()  # the objects stay until they change, so no collection needs to walk them
        finally:
            gc.enable()

    async def _list_all(self) -> None:
        self._cache.begin_list()
        token = ""
        while True:
            page = await self._client.call("GET", self._resource.path, self._page_query(token))
            items = page.get("items")
            version = version_of(page)
            for item in items if isinstance(items, list) else ():
                self._take_listed(item)
            earlier, token = token, page["metadata"].get("continue") or ""
            if not token:
                break
            if token == earlier or not items or not isinstance(token, str):
                raise BadAnswer("the API server's list does not end")
        self._cache.end_list()
        self._version = version
        self.synced = True
        self._report("")

    def _take_listed(self, item: object) -> None:
        if not isinstance(item, dict):
            raise BadAnswer("the API server's list has an item that is not an object")
        if self._cache.add_listed(item) > MAX_OBJECTS:
            raise BadAnswer(f"the API server's list has more than {MAX_OBJECTS} objects")

    def _page_query(self, token: str) -> dict[str, str]:
        query = {**self._resource.selector, "limit": str(PAGE_SIZE)}
        return {**query, "continue": token} if token else query

    async def _watch(self) -> None:
        decoder = EventDecoder()

        def receive(data: bytes) -> None:
            for event in decoder.feed(data):
                if event.type is EventType.DELETED:
                    self._cache.remove(event.object)
                elif event.type is not EventType.BOOKMARK:
                    self._cache.put(event.object)
                self._version = event.version
                self._backoff.reset()

        query = {
            **self._resource.selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(_WATCH_SECONDS * (1 + random.random()))),  # it is only jitter
        }
        await self._client.stream(
            self._resource.path, query, receive, opened=lambda: self._report(""), silence=self._silence
        )

    def _report(self, problem: str) -> None:
        if problem != self.problem and not self._stopped:
            self.problem = problem
            if problem:
                _log.warn("{path}: {problem}", path=self._resource.path, problem=problem)
            else:
                _log.info("{path}: following the API server", path=self._resource.path)
            self._reported()
