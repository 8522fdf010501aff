"""The call to STS: the request, the reason of each failure, and the deadline."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason
from authd.daemon.http.response_parser import BadResponse
from authd.daemon.net.http_proxy import ProxyRefused
from authd.daemon.sts.agent import ConnectionEnded
from authd.daemon.sts.client import STSClient
from tests.daemon.fakes import ALICE_ARN, SIGNATURE, TARGET, presigned

TIMEOUT = 5.0


@implementer(IResponse)
class Response:
    """A response whose body may be incomplete."""

    version = (b"HTTP", 1, 1)
    phrase = b""
    request = None
    previousResponse = None

    def __init__(self, code: int, body: bytes, headers: Headers | None = None, *, ends: bool = True) -> None:
        self.code = code
        self.headers = headers or Headers()
        self.length = len(body)
        self._body = body
        self._ends = ends

    def deliverBody(self, protocol: Protocol) -> None:
        protocol.dataReceived(self._body)
        if self._ends:
            protocol.connectionLost(Failure(ResponseDone()))

    def setPreviousResponse(self, response: object) -> None:
        raise AssertionError("a redirect was followed")


@implementer(IAgent)
class StrictAgent:
    """An agent that accepts one request at a time, and fails on any that STS would not expect."""

    def __init__(self) -> None:
        self.headers: list[dict[bytes, list[bytes]]] = []
        self.cancelled = 0
        self.pending: Deferred[IResponse]

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: object = None
    ) -> Deferred[IResponse]:
        assert method == b"GET"
        assert uri == b"https://sts.us-east-1.amazonaws.com" + TARGET.encode()
        assert bodyProducer is None
        assert headers is not None
        self.headers.append({name.lower(): values for name, values in headers.getAllRawHeaders()})
        self.pending = Deferred(self._cancel)
        return self.pending

    def _cancel(self, _: object) -> None:
        self.cancelled += 1


class Call:
    """A client, its agent, and a call in progress."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.agent = StrictAgent()
        self.client = STSClient(
            self.clock, self.agent, cluster_id="prod.example.com", partition="aws", timeout=TIMEOUT,
            route=lambda host: f"{host} by test",
        )  # fmt: skip
        self.results: list[Any] = []
        self.ask()

    def ask(self) -> None:
        Deferred.fromCoroutine(self.client.ask(presigned())).addBoth(self.results.append)
        self.clock.advance(0)  # the end of the reactor's turn

    def failed(self, *kinds: type[Exception]) -> Any:
        """Return the error of the failed call."""
        (failure,) = self.results
        assert failure.check(*kinds), failure
        for secret in (SIGNATURE, TARGET):
            assert secret not in str(failure.value)
            assert secret not in failure.getTraceback()
        return failure.value


@pytest.fixture
def call() -> Call:
    return Call()


def response_body(arn: str = ALICE_ARN, account: str = "111122223333") -> bytes:
    result = {"Account": account, "Arn": arn, "UserId": "AIDAEXAMPLE"}
    metadata = {"RequestId": "0b6a-1"}
    return json.dumps(
        {"GetCallerIdentityResponse": {"GetCallerIdentityResult": result, "ResponseMetadata": metadata}}
    ).encode()


def test_the_request_has_only_the_cluster_id(call: Call) -> None:
    """The request's only headers are the cluster ID and Accept. treq adds none."""
    (headers,) = call.agent.headers
    assert headers.pop(b"accept") == [b"application/json"]
    assert headers.pop(b"x-k8s-aws-id") == [b"prod.example.com"]
    assert headers == {}


def test_the_signers_identity_is_returned(call: Call) -> None:
    """A valid response is returned as an identity, with STS's request ID and the access key ID."""
    call.agent.pending.callback(Response(200, response_body()))
    (identity,) = call.results
    assert identity.arn_text == ALICE_ARN
    assert identity.request_id == "0b6a-1"
    assert identity.access_key_id == "AKIAEXAMPLE000000000"
    call.clock.advance(60)
    assert call.clock.getDelayedCalls() == []


def test_a_refusal_by_sts_is_a_denial(call: Call) -> None:
    """A refusal by STS raises `Denied` with its reason."""
    call.agent.pending.callback(Response(403, b'{"Error":{"Code":"InvalidClientTokenId","Message":"no"}}'))
    assert call.failed(Denied).reason is DenialReason.UNKNOWN_ACCESS_KEY


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(call: Call, status: int) -> None:
    """A redirect is a bad response, and no other host is called."""
    headers = Headers({"Location": ["https://sts.evil.example/"]})
    call.agent.pending.callback(Response(status, b"", headers))
    assert call.failed(Unavailable).reason is UnavailableReason.STS_BAD_ANSWER
    assert len(call.agent.headers) == 1


def test_cookies_are_not_kept(call: Call) -> None:
    """A cookie from STS is not sent with the next request."""
    headers = Headers({"Set-Cookie": ["id=1; Domain=amazonaws.com; Path=/"]})
    call.agent.pending.callback(Response(200, response_body(), headers))
    call.ask()
    call.agent.pending.callback(Response(200, response_body()))
    assert [b"cookie" in headers for headers in call.agent.headers] == [False, False]
    assert [result.arn_text for result in call.results] == [ALICE_ARN, ALICE_ARN]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BadResponse("the answer is not HTTP/1.1"), UnavailableReason.STS_BAD_ANSWER),
        (ConnectionEnded("ConnectionDone"), UnavailableReason.STS_UNREACHABLE),
        (ConnectError(), UnavailableReason.STS_UNREACHABLE),
        (Refused(), UnavailableReason.STS_UNREACHABLE),
        (ProxyRefused("the proxy refused CONNECT"), UnavailableReason.STS_UNREACHABLE),
        (DNSLookupError(), UnavailableReason.STS_UNREACHABLE),
        (OSError(24, "Too many open files"), UnavailableReason.STS_UNREACHABLE),
        (ConnectTimeoutError(), UnavailableReason.STS_TIMEOUT),
    ],
)
def test_each_failure_has_its_reason(call: Call, error: Exception, reason: UnavailableReason) -> None:
    """Every failure to get a response is `Unavailable` with a reason of its own."""
    call.agent.pending.errback(error)
    assert call.failed(Unavailable).reason is reason


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Refused(osError=111), "Connection refused"),
        (OSError(24, "Too many open files"), "Too many open files"),
        (DNSLookupError(), "the host name can't be resolved"),
        (ProxyRefused("the proxy refused CONNECT with 407"), "the proxy refused CONNECT with 407"),
        (ConnectError(), "ConnectError"),
    ],
)
def test_a_failed_connection_names_its_route_and_reason(call: Call, error: Exception, words: str) -> None:
    """The message has the address or the proxy, and the operating system's description."""
    call.agent.pending.errback(error)
    message = call.failed(Unavailable).message
    assert message == f"no connection to sts.us-east-1.amazonaws.com by test ({words})"


def test_a_bug_is_not_unavailability(call: Call) -> None:
    """An unexpected exception is passed on unchanged."""
    call.agent.pending.errback(ZeroDivisionError())
    call.failed(ZeroDivisionError)


def test_the_deadline_covers_the_wait_for_headers(call: Call) -> None:
    """The request is cancelled at the deadline, not earlier."""
    call.clock.advance(TIMEOUT - 0.01)
    assert call.results == []
    call.clock.advance(0.01)
    assert call.failed(Unavailable).reason is UnavailableReason.STS_TIMEOUT
    assert call.agent.cancelled == 1


def test_another_partitions_identity_is_denied(call: Call) -> None:
    """An identity of another partition than the daemon's is refused."""
    call.agent.pending.callback(Response(200, response_body(ALICE_ARN.replace("arn:aws:", "arn:aws-cn:"))))
    assert call.failed(Denied).reason is DenialReason.UNSUPPORTED_IDENTITY
