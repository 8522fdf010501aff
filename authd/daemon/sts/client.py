"""The call to STS: one GET by treq, with one deadline for all of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hyperlink import EncodedURL
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeadlineError
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from authd.core.caller_identity import CallerIdentity, parse_response
from authd.core.errors import Unavailable, UnavailableReason
from authd.core.token import PresignedRequest
from authd.daemon.event_loop import TurnBatch, Turns
from authd.daemon.http.headers import FixedHeaders
from authd.daemon.http.response_parser import BadResponse
from authd.daemon.net.http_proxy import ProxyRefused
from authd.daemon.sts.agent import ConnectionEnded
from authd.exchange.no_cookies import NoCookies


class _CheckedURL(EncodedURL):
    """A URL of checked ASCII. It skips hyperlink's parser and encoder, so that exactly the checked bytes are sent."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def to_uri(self) -> _CheckedURL:
        return self

    def to_text(self, with_password: bool = False) -> str:
        return self._text

    def __repr__(self) -> str:
        return "<_CheckedURL>"


@implementer(IAgent)
class _PresignedAgent:
    """Appends a target of checked ASCII to the URL of a request.

    The signed query thus bypasses URL parsers, and does not stay in urllib's cache of parsed URLs.
    """

    def __init__(self, agent: IAgent, target: bytes) -> None:
        self._agent = agent
        self._target = target

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        return self._agent.request(method, uri + self._target, headers, bodyProducer)


class _Body(Protocol):
    """Collects a response's body. treq's own collector ignores truncation."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.complete = False

    def dataReceived(self, data: bytes) -> None:
        """Receive a part."""
        self.parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note whether the body is complete."""
        self.complete = isinstance(reason.value, ResponseDone)


def _timed_out(result: Any, seconds: float) -> Any:
    """Turn any failure of a call that was cancelled at its deadline into a timeout. A response still counts."""
    if isinstance(result, Failure):
        raise DeadlineError(seconds, "Deferred")
    return result


def _reason(error: Exception) -> str:
    """Return the operating system's or the agent's description of an error."""
    if isinstance(error, ConnectionEnded | ProxyRefused):
        return str(error.args[0])
    if isinstance(error, DNSLookupError):
        return "the host name can't be resolved"
    number = error.osError if isinstance(error, ConnectError) else getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) else type(error).__name__


def _start_all(starts: list[Deferred[None]]) -> None:
    for start in starts:
        start.callback(None)


class STSClient:
    """Sends presigned requests to STS.

    `timeout` is in seconds and covers the look-up of the host, the connection, TLS and the whole response. `route`
    describes the address of a host or its proxy. `on_response` receives the status of each response.
    """

    def __init__(
        self,
        reactor: Any,
        agent: IAgent,
        *,
        cluster_id: str,
        partition: str,
        timeout: float,
        route: Callable[[str], str] = str,
        turns: Turns | None = None,
    ) -> None:
        self._reactor = reactor
        self._route = route
        self._turns = turns or Turns(reactor)
        self._starts: TurnBatch[Deferred[None]] = self._turns.batch(_start_all)
        self._cookies = NoCookies()
        self._agent = agent
        self._headers = FixedHeaders({"Accept": ["application/json"], "x-k8s-aws-id": [cluster_id]})
        self._partition = partition
        self._timeout = timeout
        self.on_response: Callable[[int], None] = lambda _status: None

    async def ask(self, request: PresignedRequest) -> CallerIdentity:
        """Return the signer's identity. Raises `Denied`, or `Unavailable` at the latest at the deadline."""
        if self._turns.reviews > 1:  # the step of its own saves 13 % of a review's CPU, see `event_loop`
            start: Deferred[None] = Deferred()
            self._starts.add(start)
            await start
        agent = _PresignedAgent(self._agent, request.target.encode("ascii"))
        call = HTTPClient(agent, cookiejar=self._cookies).request(
            "GET",
            _CheckedURL(f"https://{request.host}"),
            headers=self._headers,
            cookies=self._cookies,  # saves an empty jar for each call
            allow_redirects=False,
            unbuffered=True,
            reactor=self._reactor,
        )
        call.addTimeout(self._timeout, self._reactor, onTimeoutCancel=_timed_out)
        try:
            response = await call
            body = _Body()
            response.deliverBody(body)
            if not body.complete:  # the agent delivers a complete response at once
                raise BadResponse("its end is missing")
            status = response.code
            self.on_response(status)
        except (DeadlineError, ConnectTimeoutError):
            raise Unavailable(UnavailableReason.STS_TIMEOUT, "STS did not answer in time") from None
        except BadResponse as error:
            raise Unavailable(UnavailableReason.STS_BAD_ANSWER, f"STS's answer is not one: {error}") from None
        except (ConnectionEnded, ConnectError, OSError) as error:  # a DNS failure is an OSError
            message = f"no connection to {self._route(request.host)} ({_reason(error)})"
            raise Unavailable(UnavailableReason.STS_UNREACHABLE, message) from None
        return parse_response(
            status=status,
            body=b"".join(body.parts),
            partition=self._partition,
            access_key_id=request.access_key_id,
        )
