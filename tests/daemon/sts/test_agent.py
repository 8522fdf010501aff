"""The HTTP agent for STS: framing, bounds, kept and dropped connections, in memory."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from authd.daemon.http.response_parser import MAX_RESPONSE_BYTES, BadResponse
from authd.daemon.sts import agent as sts_agent
from authd.daemon.sts.agent import IDLE_SECONDS, ConnectionEnded, STSAgent
from tests.daemon.fakes import FakeEndpoint, StrictTransport

HOST = b"sts.us-east-1.amazonaws.com"
URI = b"https://" + HOST + b"/?Action=GetCallerIdentity&X-Amz-Signature=5eed"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"


class Agent:
    """An agent and its endpoints, one for each host."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.clock = Clock()
        self.endpoints: dict[str, FakeEndpoint] = {}
        self._at_once = at_once
        self.agent = STSAgent(self.clock, self)

    def endpoint(self, host: str, /) -> FakeEndpoint:
        return self.endpoints.setdefault(host, FakeEndpoint(at_once=self._at_once))

    @property
    def transports(self) -> list[StrictTransport]:
        return self.endpoints[HOST.decode()].transports

    def ask(self, uri: bytes = URI, headers: Headers | None = None) -> list[Any]:
        """Send a request, and return the place of its result."""
        results: list[Any] = []
        self.request(uri, headers).addBoth(results.append)
        return results

    def request(self, uri: bytes = URI, headers: Headers | None = None) -> Deferred[IResponse]:
        return self.agent.request(b"GET", uri, headers)

    def answered(self, *parts: bytes) -> Any:
        """Send a request and the server's bytes. Return the result, None if there is none yet."""
        results = self.ask()
        for part in parts:
            if self.transports[-1].connected:
                self.transports[-1].protocol.dataReceived(part)
        return results[0] if results else None


@pytest.fixture
def agent() -> Agent:
    return Agent()


class _Body(Protocol):
    def __init__(self) -> None:
        self.data = b""
        self.ended: list[Failure] = []

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure) -> None:
        self.ended.append(reason)


def body_of(response: IResponse) -> bytes:
    protocol = _Body()
    response.deliverBody(protocol)
    assert [reason.type for reason in protocol.ended] == [ResponseDone]
    return protocol.data


def test_the_request_is_sent_as_given(agent: Agent) -> None:
    """The request line and the headers are sent as given, without an offer of compression."""
    agent.ask(headers=Headers({"x-k8s-aws-id": ["prod"], "Accept-Encoding": ["gzip"]}))
    assert agent.transports[0].value() == (
        b"GET /?Action=GetCallerIdentity&X-Amz-Signature=5eed HTTP/1.1\r\n"
        b"Host: sts.us-east-1.amazonaws.com\r\nX-K8s-Aws-Id: prod\r\n\r\n"
    )
    assert agent.transports[0].no_delay


@pytest.mark.parametrize(
    ("method", "uri", "body"),
    [(b"POST", URI, None), (b"GET", URI.replace(b"https", b"http"), None), (b"GET", URI, object())],
)
def test_nothing_but_a_get_over_https_is_sent(agent: Agent, method: bytes, uri: bytes, body: Any) -> None:
    """Another method, another scheme or a body is the caller's mistake."""
    with pytest.raises(ValueError, match="only GET of an https URL"):
        agent.agent.request(method, uri, None, body)
    assert agent.endpoints == {}


@pytest.mark.parametrize("whole", [ANSWER, CHUNKED], ids=["usual", "read"])
def test_an_ended_connection_leaves_nothing_to_collect(whole: bytes) -> None:
    """The objects that TLS needs for a connection go away with it, at any garbage collection."""
    agent = Agent()
    assert agent.answered(whole) is not None
    transport = agent.transports.pop()
    ended = weakref.ref(transport.protocol)
    gc.disable()
    try:
        agent.agent.close_idle()
        transport.end()
        del transport.protocol  # as in Twisted's own
        assert ended() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("whole", [ANSWER, CHUNKED], ids=["length", "chunks"])
def test_an_answer_is_the_same_however_it_is_cut(agent: Agent, whole: bytes) -> None:
    """A response may arrive byte by byte, and the connection is used again after it."""
    for size in range(1, len(whole) + 1):
        response = agent.answered(*(whole[at : at + size] for at in range(0, len(whole), size)))
        assert (response.code, body_of(response)) == (200, b"{}")
    assert len(agent.transports) == 1


def test_an_answer_is_given_only_when_it_is_complete(agent: Agent) -> None:
    """A response is not visible before its last byte."""
    assert agent.answered(ANSWER[:-1]) is None


BAD: dict[str, tuple[bytes, ...]] = {
    "not HTTP": (b"SSH-2.0-OpenSSH\r\n",),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",),
    "HTTP/2": (b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\n{}",),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\n",),
    "upgrade": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",),
    "no end": (b"HTTP/1.1 200 OK\r\n\r\n{}",),
    "two answers": (ANSWER + ANSWER,),
    "a second answer without headers": (ANSWER + b"HTTP/1.1 403 Forbidden\r\n\r\n",),
    "more than the length": (ANSWER + b"}",),
    "encoded": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",),
    "encoded as nothing": (b"HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\nContent-Length: 2\r\n\r\n{}",),
    "another coding": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",),
    "length and chunks": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",),
    "chunks and length": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",),
    "negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",),
    "huge length": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",),
    "bad chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n",),
    "trailers": (CHUNKED[:-2] + b"X-Late: yes\r\n\r\n",),
    "folded header": (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",),
    "no colon": (b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",),
    "control byte": (b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\n{}",),
    "long header": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * MAX_RESPONSE_BYTES),
    "endless headers": (b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n" * 1_000] * 10),
    "endless body": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        *[b"400\r\n" + b" " * 1024 + b"\r\n"] * 40,
    ),
    "long body": (b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n", b" " * 20_000, b" " * 20_000),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_unexpected_answer_is_none(agent: Agent, kind: str) -> None:
    """A response that STS never sends is an error. Its connection is closed at once and never used again."""
    with capturedLogs() as events:
        result = agent.answered(*BAD[kind])
    assert isinstance(result, Failure)
    assert result.check(BadResponse), result
    assert agent.transports[0].aborted
    agent.ask()
    assert len(agent.transports) == 2
    assert not [event for event in events if "log_failure" in event]


def test_the_longest_answer_is_taken(agent: Agent) -> None:
    """A response of exactly the limit is accepted, one byte more is not."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    for more in (0, 1):
        length = MAX_RESPONSE_BYTES - len(head % 10_000) + more
        result = agent.answered(head % length + b" " * length)
        assert isinstance(result, Failure) == bool(more)


def test_the_message_never_holds_the_content(agent: Agent) -> None:
    """The error names the fault of a response without quoting it."""
    result = agent.answered(b"HTTP/1.1 200 OK\r\nContent-Encoding: s3cret\r\nX-Amz: s3cret\r\n\r\n")
    assert "s3cret" not in str(result.value)


@pytest.mark.parametrize("part", [b"", ANSWER[:10], ANSWER[:-1], CHUNKED[:-1]])
def test_an_early_end_is_told(agent: Agent, part: bytes) -> None:
    """A connection that ends before its response is reported as such, for any part of the response."""
    results = agent.ask()
    agent.transports[0].protocol.dataReceived(part)
    agent.transports[0].end()
    assert results[0].check(ConnectionEnded)
    assert "ConnectionDone" in str(results[0].value)


def test_a_failed_handshake_is_told_as_such(agent: Agent) -> None:
    """If TLS failed, the message has OpenSSL's reason and the likely causes."""
    results = agent.ask()
    agent.transports[0].end(SSL.Error([("SSL routines", "", "certificate verify failed")]))
    assert results[0].check(ConnectionEnded)
    assert "TLS failed, certificate verify failed: the certificate is not trusted" in str(results[0].value)


def test_a_connection_that_is_not_to_be_kept_is_closed(agent: Agent) -> None:
    """After `Connection: close` the response is accepted and the connection is not used again."""
    response = agent.answered(ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert response.code == 200
    assert agent.transports[0].aborted
    agent.ask()
    assert len(agent.transports) == 2


def test_bytes_at_rest_end_the_connection(agent: Agent) -> None:
    """A connection with data that no request caused is closed and not used again."""
    agent.answered(ANSWER)
    agent.transports[0].protocol.dataReceived(ANSWER)
    assert agent.transports[0].aborted
    assert agent.answered(ANSWER).code == 200
    assert len(agent.transports) == 2


def test_a_connection_that_ended_at_rest_is_not_used(agent: Agent) -> None:
    """A connection that the server closed while it was idle is replaced by a new one."""
    agent.answered(ANSWER)
    agent.transports[0].end()
    assert agent.answered(ANSWER).code == 200
    assert len(agent.transports) == 2


def test_as_many_connections_as_requests(agent: Agent) -> None:
    """Requests never wait for each other. Afterwards all connections are kept, the longest idle first."""
    results = [agent.ask() for _ in range(3)]
    assert len(agent.transports) == 3
    for transport in agent.transports:
        transport.protocol.dataReceived(ANSWER)
    assert [result[0].code for result in results] == [200] * 3
    agent.ask()
    assert len(agent.transports) == 3
    assert [transport.value().count(b"GET ") for transport in agent.transports] == [2, 1, 1]


def test_a_peer_that_has_spoken_is_not_asked_again(agent: Agent) -> None:
    """Data after a response would pass for the next caller's response, so the connection is closed."""
    agent.answered(ANSWER)
    agent.transports[0].unread = True
    assert agent.answered(ANSWER).code == 200
    assert len(agent.transports) == 2
    assert agent.transports[0].aborted


def test_a_connection_that_rested_too_long_is_not_asked_again(agent: Agent) -> None:
    """A late sweep closes no connection in use."""
    agent.answered(ANSWER)
    agent.clock.rightNow += IDLE_SECONDS
    agent.ask()
    assert len(agent.transports) == 2
    assert agent.transports[0].aborted


def test_data_before_the_request_is_no_response(agent: Agent) -> None:
    """A peer that sends data during the handshake has not seen the request."""
    results = agent.ask()
    agent.transports[0].has_unsent = True
    agent.transports[0].protocol.dataReceived(ANSWER)
    assert results[0].check(BadResponse)
    assert agent.transports[0].aborted


def test_hosts_have_connections_of_their_own(agent: Agent) -> None:
    """A connection to one host is never used for another."""
    agent.answered(ANSWER)
    agent.ask(URI.replace(b"us-east-1", b"eu-west-1"))
    assert sorted(agent.endpoints) == ["sts.eu-west-1.amazonaws.com", "sts.us-east-1.amazonaws.com"]


def test_resting_connections_end(agent: Agent) -> None:
    """A connection is idle for a few seconds at most. Each use starts the time anew."""
    first, second = agent.ask(), agent.ask()
    for transport in agent.transports:
        transport.protocol.dataReceived(ANSWER)
    assert first[0].code == second[0].code == 200
    agent.clock.advance(IDLE_SECONDS / 2)
    assert agent.answered() is None
    agent.transports[0].protocol.dataReceived(ANSWER)
    agent.clock.advance(IDLE_SECONDS / 2)
    assert [transport.aborted for transport in agent.transports] == [False, True]
    agent.clock.pump([IDLE_SECONDS / 4] * 3)
    assert [transport.aborted for transport in agent.transports] == [True, True]
    assert agent.clock.getDelayedCalls() == []


def test_only_so_many_rest(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a burst, connections above the bound are closed."""
    monkeypatch.setattr(sts_agent, "_MAX_IDLE_PER_HOST", 2)
    for _ in range(4):
        agent.ask()
    for transport in agent.transports:
        transport.protocol.dataReceived(ANSWER)
    assert sum(transport.aborted for transport in agent.transports) == 2


def test_at_the_end_resting_connections_are_closed(agent: Agent) -> None:
    """Closing ends idle connections, lets requests under way finish, and leaves no timer."""
    busy = agent.ask()
    agent.ask()
    agent.transports[1].protocol.dataReceived(ANSWER)
    agent.agent.close_idle()
    assert [transport.aborted for transport in agent.transports] == [False, True]
    assert agent.clock.getDelayedCalls() == []
    agent.transports[0].protocol.dataReceived(ANSWER)
    assert busy[0].code == 200


def test_a_cancelled_request_ends_its_connection(agent: Agent) -> None:
    """Cancelling a request closes its connection, since the response would be taken for the next one's."""
    results: list[Any] = []
    asked = agent.request()
    asked.addBoth(results.append)
    agent.transports[0].protocol.dataReceived(ANSWER[:20])
    asked.cancel()
    assert agent.transports[0].aborted
    assert len(results) == 1
    assert results[0].check(CancelledError, ConnectionEnded)


def test_a_cancelled_attempt_to_connect_is_given_up() -> None:
    """Cancelling while connecting cancels the attempt."""
    agent = Agent(at_once=False)
    results: list[Any] = []
    asked = agent.request()
    asked.addBoth(results.append)
    asked.cancel()
    assert agent.endpoints[HOST.decode()].cancelled == 1
    assert results[0].check(CancelledError)


def test_a_failed_attempt_to_connect_is_passed_on() -> None:
    """The reason for a failed connection is left to the caller."""
    agent = Agent(at_once=False)
    results = agent.ask()
    agent.endpoints[HOST.decode()].fail(Refused())
    assert results[0].check(Refused)
