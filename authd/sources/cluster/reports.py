"""Writes the status of custom resources and Events about broken ones, slowly and one at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from authd.core.errors import ConfigError
from authd.exchange.errors import ExchangeError
from authd.kubernetes.client import APIClient
from authd.kubernetes.errors import StatusError
from authd.sources.cluster.identity_mapping import API_VERSION, COLLECTION, KIND, IdentityMapping

_log = Logger(namespace="authd.kubernetes")

#: Seconds between two writes.
_PAUSE_SECONDS = 0.2
#: Seconds after a failed write, and after one that RBAC forbids.
_RETRY_SECONDS = 30.0
_FORBIDDEN_SECONDS = 600.0
#: Kubernetes stores Events about cluster-wide objects in the namespace `default`.
_EVENTS = "/api/v1/namespaces/default/events"
_MAX_EVENTS_REMEMBERED = 10_000
_MAX_MESSAGE = 1000
#: The key's first part for a status, in place of an Event's reason.
_STATUS = "status"

#: `_STATUS` or the reason of an Event, and the object's uid.
_Key = tuple[str, str]
#: The object, the canonical ARN or the Event's message, and the unique ID.
_Waiting = tuple[IdentityMapping, str, str]


class Write(NamedTuple):
    """A request to the API server."""

    method: str
    path: str
    body: dict[str, Any]
    content_type: str


class Reports:
    """A queue of writes. A newer write of the same kind for the same object replaces an older one."""

    def __init__(self, reactor: Any, client: APIClient, now: Callable[[], float]) -> None:
        self._reactor = reactor
        self._client = client
        self._now = now
        #: Thousands may be queued, so the body of a write is only built when it is sent.
        self._waiting: OrderedDict[_Key, _Waiting] = OrderedDict()
        self._warned: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._running: Deferred[None] | None = None
        self._stopped = False

    def write_status(self, mapping: IdentityMapping, canonical_arn: str, user_id: str) -> None:
        """Queue a write of an object's status. It has no effect if the object changes in the meantime."""
        self._add(_STATUS, mapping, canonical_arn, user_id)

    def forget_status(self, mapping: IdentityMapping) -> None:
        """Remove the write of an object's status from the queue."""
        self._waiting.pop((_STATUS, mapping.uid), None)

    def warn(self, mapping: IdentityMapping, reason: str, message: str) -> None:
        """Queue an Event about an object, once for each message."""
        if (mapping.uid, reason, message) in self._warned:
            return
        self._warned[mapping.uid, reason, message] = None
        if len(self._warned) > _MAX_EVENTS_REMEMBERED:
            self._warned.popitem(last=False)
        self._add(reason, mapping, message, "")

    def stop(self) -> None:
        """Stop writing and clear the queue."""
        self._stopped = True
        self._waiting.clear()
        self._warned.clear()
        if self._running is not None:
            self._running.cancel()

    def _add(self, what: str, mapping: IdentityMapping, text: str, user_id: str) -> None:
        self._waiting[what, mapping.uid] = (mapping, text, user_id)
        if self._running is None and not self._stopped:
            self._running = Deferred.fromCoroutine(self._send_all())
            self._running.addErrback(lambda failure: failure.trap(CancelledError) and None)

    def _write(self, what: str, mapping: IdentityMapping, text: str, user_id: str) -> Write:
        if what != _STATUS:
            return Write("POST", _EVENTS, self._event(mapping, what, text), "application/json")
        status = {"canonicalARN": text, **({"userID": user_id} if user_id else {})}
        body = {"metadata": {"resourceVersion": mapping.version}, "status": status}
        return Write("PATCH", f"{COLLECTION}/{mapping.name}/status", body, "application/merge-patch+json")

    async def _send_all(self) -> None:
        try:
            while self._waiting and not self._stopped:
                await self._pause(_PAUSE_SECONDS)
                if self._waiting:  # `forget_status` may have emptied it
                    await self._send(*self._waiting.popitem(last=False))
        finally:
            self._running = None

    async def _send(self, key: _Key, content: _Waiting) -> None:
        write = self._write(key[0], *content)
        try:
            await self._client.call(write.method, write.path, body=write.body, content_type=write.content_type)
        except StatusError as error:
            if error.code in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
                return  # the object was deleted or changed, which the watch reports
            forbidden = error.code == HTTPStatus.FORBIDDEN
            self._failed(key, content, f"{write.path} can't be written: {error}")
            await self._pause(_FORBIDDEN_SECONDS if forbidden else _RETRY_SECONDS)
        except (ExchangeError, ConfigError) as error:
            self._failed(key, content, f"{write.path} can't be written: {error}")
            await self._pause(_RETRY_SECONDS)

    def _failed(self, key: _Key, content: _Waiting, message: str) -> None:
        if not self._stopped:
            _log.warn("{message}", message=message)
            self._waiting.setdefault(key, content)

    async def _pause(self, seconds: float) -> None:
        await deferLater(self._reactor, 0 if self._stopped else seconds, lambda: None)

    def _event(self, mapping: IdentityMapping, reason: str, message: str) -> dict[str, Any]:
        at = datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{mapping.name[:200]}.", "namespace": "default"},
            "involvedObject": {"apiVersion": API_VERSION, "kind": KIND, "name": mapping.name, "uid": mapping.uid},
            "reason": reason,
            "message": message[:_MAX_MESSAGE],
            "type": "Warning",
            "source": {"component": "authd"},
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
