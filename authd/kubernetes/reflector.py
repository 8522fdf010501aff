"""Keeps a cache equal to the API server's objects by list and watch, and reports why if it can't."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from authd.core.errors import ConfigError
from authd.exchange.errors import ExchangeError, InvalidResponse
from authd.kubernetes.backoff import Backoff
from authd.kubernetes.client import APIClient, JSONObject
from authd.kubernetes.errors import StatusError
from authd.kubernetes.events import Event, EventDecoder, EventType, is_older
from authd.kubernetes.listing import Listing, Resource

_log = Logger(namespace="authd.kubernetes")

#: The server ends a watch after one to two times as many seconds, chosen at random, so that daemons don't reconnect at
#: the same time.
_WATCH_SECONDS = 240
#: Seconds without data after which a watch is broken. Servers send a bookmark about every minute.
SILENCE_SECONDS = 150.0
#: Seconds between two probes.
PROBE_SECONDS = 30.0
#: A watch that lasted for as many seconds resets the backoff.
_GOOD_SECONDS = 5.0
#: So many watches in a row that end immediately, or whose version is too old, are a problem.
_TOO_MANY = 3


class Cache(Protocol):
    """Stores the objects, see `ObjectCache`."""

    def begin_list(self) -> None:
        """Start a new list."""

    def add_listed(self, content: JSONObject, /) -> None:
        """Add an object to the list."""

    def end_list(self) -> None:
        """Replace all objects by those of the list."""

    def put(self, content: JSONObject, /) -> None:
        """Store a new or changed object."""

    def remove(self, content: JSONObject, /) -> None:
        """Remove a deleted object."""


class Reflector:
    """Keeps `cache` up to date from `start` to `stop`.

    `problem` is empty while the cache is up to date. `reported` is called whenever it changes. `synced` is True after
    the first complete list.
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
        self._seen = ""  # the newest version, which an error does not reset
        self._empty_watches = 0  # in a row, each ended immediately
        self._expired = 0  # lists and watches in a row whose version was too old
        self._running: Deferred[None] | None = None
        self._probes = LoopingCall(self._begin_probe)
        self._probes.clock = reactor
        self._probing: Deferred[None] | None = None
        self._stopped = False
        self._watch_error = ""  # of the list, too
        self._probe_error = ""
        self.problem = ""
        self.synced = False

    def start(self) -> None:
        """Start listing, watching and probing."""
        self._probes.start(PROBE_SECONDS, now=False)
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(lambda failure: failure.trap(CancelledError) and None)

    def stop(self) -> None:
        """Stop, and close the connections."""
        self._stopped = True
        if self._probes.running:
            self._probes.stop()
        for work in (self._running, self._probing):
            if work is not None:
                work.cancel()

    async def _run(self) -> None:
        while True:
            begun = self._reactor.seconds()
            wait = await self._attempt()
            if self._stopped:  # a cancelled call may raise another error than `CancelledError`
                return
            if self._reactor.seconds() - begun >= _GOOD_SECONDS and not self.problem:
                self._backoff.reset()
            await deferLater(self._reactor, self._backoff.pause(wait), lambda: None)

    async def _attempt(self) -> float:
        """List if necessary, and watch until the watch ends. Returns the server's Retry-After in seconds, or 0."""
        try:
            if not self._version:
                await self._list()
            await self._watch()
        except StatusError as error:
            self._expired = self._expired + 1 if error.is_expired else 0
            if error.is_expired:
                self._version = ""  # ordinary at first: the server has compacted this part of the history
            if not 0 < self._expired < _TOO_MANY:
                self._report(str(error))
            return error.retry_after
        except (ExchangeError, ConfigError) as error:
            if isinstance(error, InvalidResponse):
                self._version = ""
            self._report(str(error))
        except CancelledError:
            raise
        except Exception as error:  # a bug must not stop the reflector
            if self._stopped:  # a cancelled connection may raise any error
                return 0.0
            _log.failure("watching {path} failed", path=self._resource.path)
            self._version = ""
            self._report(f"internal error ({type(error).__name__})")
        return 0.0

    async def _list(self) -> None:
        self._cache.begin_list()
        version = await Listing(self._client, self._resource, self._cache.add_listed).read()
        if is_older(version, self._seen):
            _log.warn("{path}: the API server's history went back, as after a restore", path=self._resource.path)
        self._cache.end_list()
        self._version = self._seen = version
        self.synced = True
        self._mark_up_to_date()

    async def _watch(self) -> None:
        decoder, begun, before = EventDecoder(), self._reactor.seconds(), self._version

        def receive(data: bytes) -> None:
            for event in decoder.feed(data):
                self._handle(event)

        query = {
            **self._resource.selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(_WATCH_SECONDS * (1 + random.random()))),  # it is only jitter
        }
        await self._client.stream(
            self._resource.path, query, receive, opened=self._mark_up_to_date, silence=self._silence
        )
        decoder.end()
        is_empty = self._version == before and self._reactor.seconds() - begun < _GOOD_SECONDS
        self._empty_watches = self._empty_watches + 1 if is_empty else 0
        if self._empty_watches >= _TOO_MANY:
            raise InvalidResponse("the API server ends each watch at once")

    def _handle(self, event: Event) -> None:
        self._backoff.reset()
        self._empty_watches = 0
        self._mark_up_to_date()
        self._resource.check_kind(event.object)
        late = is_older(event.version, self._version)
        if event.type is EventType.DELETED:  # its version may be older: old servers send the one before the deletion
            self._resource.check(event.object)
            self._cache.remove(event.object)
        elif late:
            raise InvalidResponse("the API server's events are out of order")
        elif event.type is not EventType.BOOKMARK:
            self._resource.check(event.object)
            self._cache.put(event.object)
        if not late:
            self._version = self._seen = event.version

    def _begin_probe(self) -> Deferred[None]:
        self._probing = Deferred.fromCoroutine(self._probe())
        return self._probing

    async def _probe(self) -> None:
        """List one object during the watch, because a watch detects neither a hanging etcd nor revoked credentials."""
        if not self.synced or self._watch_error:
            return
        problem = ""
        try:
            await self._client.fetch(self._resource.path, {**self._resource.selector, "limit": "1"})
        except (ExchangeError, ConfigError) as error:
            problem = str(error)
        except Exception as error:  # a bug must not stop the probes, and a cancelled connection may raise any error
            problem = f"internal error ({type(error).__name__})"
        self._probe_error = problem
        self._publish()

    def _mark_up_to_date(self) -> None:
        self._expired = 0
        if self._empty_watches < _TOO_MANY:
            self._report("")

    def _report(self, error: str) -> None:
        self._watch_error = error
        if error:
            self._probe_error = ""  # it is older than this error
        self._publish()

    def _publish(self) -> None:
        problem = self._watch_error or self._probe_error
        if problem != self.problem and not self._stopped:
            self.problem = problem
            if problem:
                _log.warn("{path}: {problem}", path=self._resource.path, problem=problem)
            else:
                _log.info("{path}: following the API server", path=self._resource.path)
            self._reported()
