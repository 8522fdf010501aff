"""Calls to the API server by treq: one JSON object back, or a stream; each within bounds and deadlines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlencode

from OpenSSL import SSL
from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeadlineError
from twisted.internet.error import ConnectError
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.python.failure import Failure
from twisted.web.client import RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from authd.kubernetes.access import ClusterAccess
from authd.kubernetes.agent import Body, Exchange
from authd.kubernetes.bodies import BodyReceiver, Collector, SilenceTimer
from authd.kubernetes.errors import APIError, BadAnswer, StatusError, Unreachable
from authd.kubernetes.status import status_error

JSONObject = dict[str, Any]

#: A page of a list, or one object. etcd takes objects of 1.5 MiB by default.
MAX_BODY_BYTES = 16 * 1024 * 1024
_MAX_ERROR_BYTES = 64 * 1024
_INCOMPLETE = (ResponseNeverReceived, ResponseFailed, RequestTransmissionFailed)


class Connector(Protocol):
    """Makes connections that have proved to be the API server."""

    def endpoint(self, access: ClusterAccess, /) -> IStreamClientEndpoint:
        """Return an endpoint; raises `ConfigError` if the credentials can't be used."""
        ...


class _NoCookies(IndexableCookieJar):
    """Keeps and sends nothing."""

    def __iter__(self) -> Iterator[Any]:
        """Find none."""
        return iter(())

    def add_cookie_header(self, request: Any) -> None:
        """Add nothing."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Keep nothing."""


class APIClient:
    """Talks to one API server; `timeout` is in seconds, for everything but a stream's body."""

    def __init__(self, reactor: Any, access: ClusterAccess, connector: Connector, *, timeout: float = 15.0) -> None:
        self._reactor = reactor
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
        """Send a request and return the object of the response; raises `APIError` or `ConfigError`."""
        sent = None if body is None else Body(json.dumps(body).encode())
        call = Deferred.fromCoroutine(self._call(method, _target(path, query), sent, content_type))
        answer: JSONObject = await self._within_deadline(call)
        return answer

    async def stream(
        self,
        path: str,
        query: Mapping[str, str],
        receive: Callable[[bytes], None],
        *,
        opened: Callable[[], None],
        silence: float,
    ) -> None:
        """Send a GET and hand over its body part by part until the server ends it.

        `opened` is called once the server has agreed. Raises `APIError`, also if nothing arrives for `silence`
        seconds. What `receive` raises ends the stream.
        """
        async with self._exchange() as exchange:
            request = Deferred.fromCoroutine(self._send(exchange, "GET", _target(path, query), None, ""))
            response = await self._within_deadline(request)
            if response.code != HTTPStatus.OK:
                raise await self._refusal(response)
            opened()
            await self._deliver(response, receive, silence)

    async def _deliver(self, response: IResponse, receive: Callable[[bytes], None], silence: float) -> None:
        def heard(data: bytes) -> None:
            timer.heard()
            receive(data)

        body = BodyReceiver(heard)
        timer = SilenceTimer(self._reactor, silence, body)
        try:
            response.deliverBody(body)
            await body.ended
        finally:
            timer.stop()

    async def _call(self, method: str, target: str, body: Body | None, content_type: str) -> JSONObject:
        async with self._exchange() as exchange:
            response = await self._send(exchange, method, target, body, content_type)
            if response.code not in {HTTPStatus.OK, HTTPStatus.CREATED}:
                raise await self._refusal(response)
            return parse_object(await _collect(response, MAX_BODY_BYTES))

    async def _send(
        self, exchange: Exchange, method: str, target: str, body: Body | None, content_type: str
    ) -> IResponse:
        headers = Headers({"Accept": ["application/json"], "User-Agent": ["authd"]})
        if body is not None:
            headers.addRawHeader("Content-Type", content_type)
        token = self._token()
        if token:
            headers.addRawHeader(b"Authorization", b"Bearer " + token)
        cookies = _NoCookies()
        response: IResponse = await HTTPClient(exchange, cookiejar=cookies).request(
            method,
            self.access.url + target,
            headers=headers,
            data=body,
            cookies=cookies,
            allow_redirects=False,
            unbuffered=True,
            reactor=self._reactor,
        )
        return response

    def _token(self) -> bytes:
        return self.access.token.read().strip() if self.access.token is not None else b""

    async def _refusal(self, response: IResponse) -> StatusError:
        body = await self._within_deadline(Deferred.fromCoroutine(_collect(response, _MAX_ERROR_BYTES)))
        retry_after = (response.headers.getRawHeaders(b"retry-after") or [b""])[0]
        return status_error(response.code, body, retry_after, self._token())

    async def _within_deadline(self, call: Deferred[Any]) -> Any:
        return await call.addTimeout(self._timeout, self._reactor)

    @asynccontextmanager
    async def _exchange(self) -> AsyncIterator[Exchange]:
        """Provide an exchange, end its connection in any case, and turn errors of the network into ours."""
        exchange = Exchange(self._reactor, self._connector.endpoint(self.access))
        try:
            yield exchange
        except (DeadlineError, ConnectTimeoutError):
            raise Unreachable("the API server did not answer in time") from None
        except _INCOMPLETE as error:
            raise _incomplete(error.reasons) from None
        except (ConnectError, OSError, SSL.Error) as error:
            raise Unreachable(f"no connection to the API server ({type(error).__name__})") from None
        finally:
            exchange.abort()


def parse_object(text: bytes) -> JSONObject:
    """Read one JSON object; raises `BadAnswer`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadAnswer("the API server's answer is not JSON") from None
    if not isinstance(value, dict):
        raise BadAnswer("the API server's answer is not a JSON object")
    return value


async def _collect(response: IResponse, limit: int) -> bytes:
    collector = Collector(limit)
    body = BodyReceiver(collector.receive)
    response.deliverBody(body)
    await body.ended
    return collector.body


def _target(path: str, query: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _incomplete(reasons: list[Failure]) -> APIError:
    if any(reason.check(SSL.Error) for reason in reasons):
        return Unreachable(
            "TLS with the API server failed: its certificate is not trusted or not for this host, or it refuses ours"
        )
    if any(reason.check(CancelledError) for reason in reasons):
        return Unreachable("the API server did not answer in time")
    kinds = ", ".join(str(reason.type and reason.type.__name__) for reason in reasons)
    return Unreachable(f"the connection to the API server ended early ({kinds})")
