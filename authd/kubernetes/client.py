"""Calls the API server by treq. Responses are JSON objects or streams, with limits of size and time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlencode

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from authd.core.strict_json import InvalidJson, decode_value
from authd.exchange.agent import Exchange
from authd.exchange.bodies import BodyReceiver, SilenceTimer
from authd.exchange.call import collect, exchanging, send, within
from authd.exchange.errors import InvalidResponse
from authd.kubernetes.access import ClusterAccess
from authd.kubernetes.errors import StatusError
from authd.kubernetes.status import error_of_status, status_error

JSONObject = dict[str, Any]

#: The limit for a page of a list or one object. etcd accepts objects of 1.5 MiB by default.
MAX_BODY_BYTES = 16 * 1024 * 1024
_MAX_ERROR_BYTES = 64 * 1024
_JSON = re.compile(rb"\s*application/(?:[a-z.-]+\+)?json\s*(?:;|\Z)", re.IGNORECASE)
_MAX_SHOWN = 100
_SPACE = " \t\r\n"
_SERVER = "the API server"


class Connector(Protocol):
    """Makes connections on which the API server is authenticated by TLS."""

    def endpoint(self, access: ClusterAccess, /) -> IStreamClientEndpoint:
        """Return an endpoint. Raises `ConfigError` if the credentials can't be used."""
        ...


class APIClient:
    """A client of one API server. `timeout` is in seconds and does not include the body of a stream."""

    def __init__(self, reactor: Any, access: ClusterAccess, connector: Connector, *, timeout: float = 15.0) -> None:
        self.reactor = reactor
        self._connector = connector
        self._timeout = timeout
        self.access = access

    async def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: object = None,
        content_type: str = "application/json",
    ) -> JSONObject:
        """Send a request and return the JSON object in the response. Raises `ExchangeError` or `ConfigError`."""
        sent = None if body is None else json.dumps(body).encode()
        content = parse_object(await self._request(method, _target(path, query), sent, content_type))
        if content.get("kind") == "Status" and content.get("status") != "Success":
            raise error_of_status(content)
        return content

    async def fetch(self, path: str, query: Mapping[str, str]) -> bytes:
        """Send a GET and return the body of the JSON response. Raises `ExchangeError` or `ConfigError`."""
        return await self._request("GET", _target(path, query), None, "")

    async def stream(
        self,
        path: str,
        query: Mapping[str, str],
        receive: Callable[[bytes], None],
        *,
        opened: Callable[[], None],
        silence: float,
    ) -> None:
        """Send a GET and pass each part of the response's body to `receive`, until the server ends it.

        `opened` is called after the head of a successful response. Raises `ExchangeError`, also if nothing arrives for
        `silence` seconds. An exception of `receive` ends the stream and is raised.
        """
        async with exchanging(self.reactor, self._connector.endpoint(self.access), _SERVER) as exchange:
            request = Deferred.fromCoroutine(self._send(exchange, "GET", _target(path, query), None, ""))
            response = await within(self.reactor, self._timeout, request, _SERVER)
            await self._check(response, HTTPStatus.OK)
            opened()
            await self._deliver(response, receive, silence)

    async def _deliver(self, response: IResponse, receive: Callable[[bytes], None], silence: float) -> None:
        def heard(data: bytes) -> None:
            timer.heard()
            receive(data)

        body = BodyReceiver(heard)
        timer = SilenceTimer(self.reactor, silence, body)
        try:
            response.deliverBody(body)
            await body.ended
        finally:
            timer.stop()

    async def _request(self, method: str, target: str, body: bytes | None, content_type: str) -> bytes:
        call = Deferred.fromCoroutine(self._call(method, target, body, content_type))
        content: bytes = await within(self.reactor, self._timeout, call, _SERVER)
        return content

    async def _call(self, method: str, target: str, body: bytes | None, content_type: str) -> bytes:
        async with exchanging(self.reactor, self._connector.endpoint(self.access), _SERVER) as exchange:
            response = await self._send(exchange, method, target, body, content_type)
            await self._check(response, HTTPStatus.OK, HTTPStatus.CREATED)
            return await collect(response, MAX_BODY_BYTES)

    async def _check(self, response: IResponse, *successes: int) -> None:
        if response.code not in successes:
            raise await self._error_of(response)
        types = response.headers.getRawHeaders(b"content-type") or []
        if types and not _JSON.match(types[-1]):
            kind = types[-1][:_MAX_SHOWN].decode("ascii", "replace")
            raise InvalidResponse(f"the API server sent {kind!r} in place of JSON: is it another server, or a proxy?")

    async def _send(
        self, exchange: Exchange, method: str, target: str, body: bytes | None, content_type: str
    ) -> IResponse:
        headers = Headers({"Accept": ["application/json"], "User-Agent": ["authd"]})
        if body is not None:
            headers.addRawHeader("Content-Type", content_type)
        token = self._token()
        if token:
            headers.addRawHeader(b"Authorization", b"Bearer " + token)
        return await send(self.reactor, exchange, method, self.access.url + target, headers, body=body)

    def _token(self) -> bytes:
        return self.access.token.read().strip() if self.access.token is not None else b""

    async def _error_of(self, response: IResponse) -> StatusError:
        reading = Deferred.fromCoroutine(collect(response, _MAX_ERROR_BYTES))
        body = await within(self.reactor, self._timeout, reading, _SERVER)
        retry_after = (response.headers.getRawHeaders(b"retry-after") or [b""])[0]
        return status_error(response.code, body, retry_after, self._token())


def parse_object(text: bytes) -> JSONObject:
    """Parse one JSON object. Raises `InvalidResponse`."""
    try:
        decoded = text.decode("utf-8").strip(_SPACE)
        value, end = decode_value(decoded, 0)
        if end != len(decoded):
            raise InvalidJson("there is more than one value")
    except ValueError:
        raise InvalidResponse("the API server's answer is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidResponse("the API server's answer is not a JSON object")
    return value


def _target(path: str, query: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path
