"""The only network call: one GET to STS by treq, one deadline around all of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hyperlink import EncodedURL
from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeadlineError
from twisted.internet.error import ConnectError
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.iweb import IAgent

from authd.core.caller_identity import CallerIdentity, parse_answer
from authd.core.errors import Unavailable, UnavailableReason
from authd.core.token import PresignedRequest
from authd.daemon.event_loop import TurnBatch
from authd.daemon.http.headers import FixedHeaders
from authd.daemon.http.response_parser import BadResponse
from authd.daemon.sts.agent import ConnectionEnded
from authd.daemon.sts.call_timeouts import CallTimeouts


class _NoCookies(IndexableCookieJar):
    """Keeps and sends nothing."""

    def __iter__(self) -> Iterator[Any]:
        """Find none."""
        return iter(())

    def add_cookie_header(self, request: Any) -> None:
        """Add nothing."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Keep nothing."""


class _SentURL(bytes):
    """A URL as it is sent. Where treq asks what cookies there are for it, it is the one without its query."""

    def strip(self, chars: object = None) -> bytes:
        return self.partition(b"?")[0]


class _Text(str):
    __slots__ = ()

    def encode(self, encoding: str = "ascii", errors: str = "strict") -> _SentURL:
        return _SentURL(super().encode(encoding, errors))


class _CheckedURL(EncodedURL):
    """A URL that is strict ASCII already: what is sent is, byte for byte, what was checked."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = _Text(text)

    def to_uri(self) -> _CheckedURL:
        return self

    def to_text(self, with_password: bool = False) -> str:
        return self._text

    def __repr__(self) -> str:
        return "<_CheckedURL>"


class _Body(Protocol):
    """Collects an answer's body; fails unless it is known to be whole, for which treq's own takes any end."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.ended: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Take in a part."""
        self.parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Be done."""
        if isinstance(reason.value, ResponseDone):
            self.ended.callback(None)
        else:
            self.ended.errback(BadResponse("its end is missing"))


def _end_waiting(turns: list[Deferred[None]]) -> None:
    for turn in turns:
        turn.callback(None)


class STSClient:
    """Asks STS who signed a request.

    `timeout` is in seconds, for everything: waiting for a connection, TLS, the answer and its body.
    """

    def __init__(self, reactor: Any, agent: IAgent, *, cluster_id: str, partition: str, timeout: float) -> None:
        self._reactor = reactor
        self._cookies = _NoCookies()
        self._http = HTTPClient(agent, cookiejar=self._cookies)
        self._headers = FixedHeaders({"Accept": ["application/json"], "x-k8s-aws-id": [cluster_id]})
        self._partition = partition
        self._deadlines = CallTimeouts(reactor, timeout)
        self._asking: TurnBatch[Deferred[None]] = TurnBatch(reactor, _end_waiting)

    async def ask(self, request: PresignedRequest) -> CallerIdentity:
        """Return who signed the request; raises `Denied`, or `Unavailable` at the latest at the deadline."""
        turn: Deferred[None] = Deferred()
        self._asking.add(turn)
        await turn
        call = self._http.request(
            "GET",
            _CheckedURL(f"https://{request.host}{request.target}"),
            headers=self._headers,
            cookies=self._cookies,  # or an empty jar would be made for each call
            allow_redirects=False,
            unbuffered=True,
            reactor=self._reactor,
        )
        self._deadlines.add(call)
        try:
            response = await call
            body = _Body()
            response.deliverBody(body)
            await body.ended  # takes no time: the agent's answers are here as a whole
        except (DeadlineError, ConnectTimeoutError):
            raise Unavailable(UnavailableReason.STS_TIMEOUT, "STS did not answer in time") from None
        except BadResponse as error:
            raise Unavailable(UnavailableReason.STS_BAD_ANSWER, f"STS's answer is not one: {error}") from None
        except (ConnectionEnded, ConnectError, OSError) as error:  # a DNS failure is an OSError
            reason = str(error) if isinstance(error, ConnectionEnded) else type(error).__name__
            raise Unavailable(UnavailableReason.STS_UNREACHABLE, f"no connection to STS ({reason})") from None
        return parse_answer(
            status=response.code,
            body=b"".join(body.parts),
            partition=self._partition,
            access_key_id=request.access_key_id,
        )
