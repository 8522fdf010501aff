"""List, then watch, for ever: keeps a cache like the API server's objects, and says why if it can't."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from authd.core.errors import ConfigError
from authd.exchange.errors import BadAnswer, ExchangeError
from authd.kubernetes.backoff import Backoff
from authd.kubernetes.client import APIClient, JSONObject
from authd.kubernetes.errors import StatusError
from authd.kubernetes.events import Event, EventDecoder, EventType, is_older
from authd.kubernetes.listing import Listing, Resource

_log = Logger(namespace="authd.kubernetes")

#: The server ends a watch after this many seconds, up to twice as many, so that daemons don't return in step.
_WATCH_SECONDS = 240
#: Servers send a bookmark about every minute.
SILENCE_SECONDS = 150.0
#: Between two probes.
PROBE_SECONDS = 30.0
#: A watch that lasted this long was a good one.
_GOOD_SECONDS = 5.0
#: So many watches in a row may end at once without an event. After that the objects are listed again.
_MOST_FUTILE = 3


class Cache(Protocol):
    """Takes the objects; see `ObjectCache`."""

    def begin_list(self) -> None:
        """Begin a new list."""

    def add_listed(self, content: JSONObject, /) -> None:
        """Take an object of the list."""

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
        self._seen = ""  # the newest version, also after an error
        self._futile = 0  # watches in a row that ended at once
        self._expired = 0  # lists and watches in a row that were too old
        self._running: Deferred[None] | None = None
        self._probes = LoopingCall(self._begin_probe)
        self._probes.clock = reactor
        self._probing: Deferred[None] | None = None
        self._stopped = False
        self._fault = ""  # of list and watch
        self._doubt = ""  # of the last probe
        self.problem = ""
        self.synced = False

    def start(self) -> None:
        """Begin."""
        self._probes.start(PROBE_SECONDS, now=False)
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(lambda failure: failure.trap(CancelledError) and None)

    def stop(self) -> None:
        """End, with the connection."""
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
            self._expired = self._expired + 1 if error.is_expired else 0
            if error.is_expired:
                self._version = ""  # nothing is wrong at first: the history that we stopped at is gone
            if not 0 < self._expired < _MOST_FUTILE:
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
        self._cache.begin_list()
        version = await Listing(self._client, self._resource, self._cache.add_listed).read()
        if is_older(version, self._seen):
            _log.warn("{path}: the API server's history went back, as after a restore", path=self._resource.path)
        self._cache.end_list()
        self._version = self._seen = version
        self.synced = True
        self._follows()

    async def _watch(self) -> None:
        decoder, begun, before = EventDecoder(), self._reactor.seconds(), self._version

        def receive(data: bytes) -> None:
            for event in decoder.feed(data):
                self._take(event)

        query = {
            **self._resource.selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(_WATCH_SECONDS * (1 + random.random()))),  # it is only jitter
        }
        await self._client.stream(self._resource.path, query, receive, opened=self._follows, silence=self._silence)
        decoder.end()
        at_once = self._version == before and self._reactor.seconds() - begun < _GOOD_SECONDS
        self._futile = self._futile + 1 if at_once else 0
        if self._futile >= _MOST_FUTILE:
            raise BadAnswer("the API server ends each watch at once")

    def _take(self, event: Event) -> None:
        self._backoff.reset()
        self._futile = 0
        self._follows()
        self._resource.check_kind(event.object)
        late = is_older(event.version, self._version)
        if event.type is EventType.DELETED:  # old servers send the version before the deletion
            self._resource.check(event.object)
            self._cache.remove(event.object)
        elif late:
            raise BadAnswer("the API server's events are out of order")
        elif event.type is not EventType.BOOKMARK:
            self._resource.check(event.object)
            self._cache.put(event.object)
        if not late:
            self._version = self._seen = event.version

    def _begin_probe(self) -> Deferred[None]:
        self._probing = Deferred.fromCoroutine(self._probe())
        return self._probing

    async def _probe(self) -> None:
        """Ask for one object beside the watch, which shows neither a hanging etcd nor credentials that were revoked."""
        if not self.synced or self._fault:
            return
        doubt = ""
        try:
            await self._client.fetch(self._resource.path, {**self._resource.selector, "limit": "1"})
        except (ExchangeError, ConfigError) as error:
            doubt = str(error)
        except Exception as error:  # it must not end the probes, and a cancelled connection has errors of its own
            doubt = f"internal error ({type(error).__name__})"
        self._doubt = doubt
        self._publish()

    def _follows(self) -> None:
        self._expired = 0
        if self._futile < _MOST_FUTILE:
            self._report("")

    def _report(self, fault: str) -> None:
        self._fault = fault
        if fault:
            self._doubt = ""  # it is of a connection that was thought good
        self._publish()

    def _publish(self) -> None:
        problem = self._fault or self._doubt
        if problem != self.problem and not self._stopped:
            self.problem = problem
            if problem:
                _log.warn("{path}: {problem}", path=self._resource.path, problem=problem)
            else:
                _log.info("{path}: following the API server", path=self._resource.path)
            self._reported()
