"""The HTTP agent for STS, in memory: framing, bounds, reused and closed connections."""

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
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
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
        """Send a request, and return the list that receives its result."""
        results: list[Any] = []
        self.request(uri, headers).addBoth(results.append)
        return results

    def request(self, uri: bytes = URI, headers: Headers | None = None) -> Deferred[IResponse]:
        return self.agent.request(b"GET", uri, headers)

    def respond(self, *parts: bytes) -> Any:
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
    """The request line and the headers are sent as given, without Accept-Encoding."""
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
def test_only_get_over_https_is_sent(agent: Agent, method: bytes, uri: bytes, body: Any) -> None:
    """Another method, another scheme or a body is a `ValueError`."""
    with pytest.raises(ValueError, match="only GET of an https URL"):
        agent.agent.request(method, uri, None, body)
    assert agent.endpoints == {}


@pytest.mark.parametrize("whole", [RESPONSE, CHUNKED], ids=["usual", "read"])
def test_a_closed_connection_is_freed_without_garbage_collection(whole: bytes) -> None:
    """A closed connection is in no reference cycle, so its TLS objects are freed with it."""
    agent = Agent()
    assert agent.respond(whole) is not None
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


@pytest.mark.parametrize("whole", [RESPONSE, CHUNKED], ids=["length", "chunks"])
def test_a_response_is_parsed_from_pieces_of_any_size(agent: Agent, whole: bytes) -> None:
    """A response may arrive byte by byte. The connection is reused after it."""
    for size in range(1, len(whole) + 1):
        response = agent.respond(*(whole[at : at + size] for at in range(0, len(whole), size)))
        assert (response.code, body_of(response)) == (200, b"{}")
    assert len(agent.transports) == 1


def test_a_response_is_returned_only_when_complete(agent: Agent) -> None:
    """A response is not returned before its last byte has arrived."""
    assert agent.respond(RESPONSE[:-1]) is None


BAD: dict[str, tuple[bytes, ...]] = {
    "not HTTP": (b"SSH-2.0-OpenSSH\r\n",),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",),
    "HTTP/2": (b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\n{}",),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\n",),
    "upgrade": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",),
    "no end": (b"HTTP/1.1 200 OK\r\n\r\n{}",),
    "two responses": (RESPONSE + RESPONSE,),
    "a second response without headers": (RESPONSE + b"HTTP/1.1 403 Forbidden\r\n\r\n",),
    "more than the length": (RESPONSE + b"}",),
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
def test_an_unexpected_response_is_an_error(agent: Agent, kind: str) -> None:
    """A response that STS never sends is an error. Its connection is closed and never reused."""
    with capturedLogs() as events:
        result = agent.respond(*BAD[kind])
    assert isinstance(result, Failure)
    assert result.check(BadResponse), result
    assert agent.transports[0].aborted
    agent.ask()
    assert len(agent.transports) == 2
    assert not [event for event in events if "log_failure" in event]


def test_the_longest_response_is_accepted(agent: Agent) -> None:
    """A response of exactly the limit is accepted, one byte more is not."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    for more in (0, 1):
        length = MAX_RESPONSE_BYTES - len(head % 10_000) + more
        result = agent.respond(head % length + b" " * length)
        assert isinstance(result, Failure) == bool(more)


def test_the_error_does_not_quote_the_response(agent: Agent) -> None:
    """The error names the fault of a response without quoting it."""
    result = agent.respond(b"HTTP/1.1 200 OK\r\nContent-Encoding: s3cret\r\nX-Amz: s3cret\r\n\r\n")
    assert "s3cret" not in str(result.value)


@pytest.mark.parametrize("part", [b"", RESPONSE[:10], RESPONSE[:-1], CHUNKED[:-1]])
def test_a_connection_lost_before_the_response_is_an_error(agent: Agent, part: bytes) -> None:
    """A connection that ends before its response is complete is an error."""
    results = agent.ask()
    agent.transports[0].protocol.dataReceived(part)
    agent.transports[0].end()
    assert results[0].check(ConnectionEnded)
    assert "ConnectionDone" in str(results[0].value)


def test_a_failed_handshake_is_reported_with_openssls_reason(agent: Agent) -> None:
    """If TLS failed, the message has OpenSSL's reason and the likely causes."""
    results = agent.ask()
    agent.transports[0].end(SSL.Error([("SSL routines", "", "certificate verify failed")]))
    assert results[0].check(ConnectionEnded)
    assert "TLS failed, certificate verify failed: the certificate is not trusted" in str(results[0].value)


def test_connection_close_is_honoured(agent: Agent) -> None:
    """After `Connection: close` the response is accepted and the connection closed."""
    response = agent.respond(RESPONSE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert response.code == 200
    assert agent.transports[0].aborted
    agent.ask()
    assert len(agent.transports) == 2


def test_bytes_on_an_idle_connection_close_it(agent: Agent) -> None:
    """An idle connection that receives data is closed and not reused."""
    agent.respond(RESPONSE)
    agent.transports[0].protocol.dataReceived(RESPONSE)
    assert agent.transports[0].aborted
    assert agent.respond(RESPONSE).code == 200
    assert len(agent.transports) == 2


def test_a_connection_closed_while_idle_is_not_reused(agent: Agent) -> None:
    """If the server has closed an idle connection, the next request opens a new one."""
    agent.respond(RESPONSE)
    agent.transports[0].end()
    assert agent.respond(RESPONSE).code == 200
    assert len(agent.transports) == 2


def test_each_concurrent_request_has_its_connection(agent: Agent) -> None:
    """Requests never wait for each other. Their connections are kept, and the longest idle one is reused first."""
    results = [agent.ask() for _ in range(3)]
    assert len(agent.transports) == 3
    for transport in agent.transports:
        transport.protocol.dataReceived(RESPONSE)
    assert [result[0].code for result in results] == [200] * 3
    agent.ask()
    assert len(agent.transports) == 3
    assert [transport.value().count(b"GET ") for transport in agent.transports] == [2, 1, 1]


def test_a_connection_with_unread_data_is_not_reused(agent: Agent) -> None:
    """Data after a response could be taken for the next one, so the connection is closed."""
    agent.respond(RESPONSE)
    agent.transports[0].unread = True
    assert agent.respond(RESPONSE).code == 200
    assert len(agent.transports) == 2
    assert agent.transports[0].aborted


def test_a_connection_idle_for_too_long_is_not_reused(agent: Agent) -> None:
    """A connection that was idle for too long is closed, even before the sweep, which closes none in use."""
    agent.respond(RESPONSE)
    agent.clock.rightNow += IDLE_SECONDS
    agent.ask()
    assert len(agent.transports) == 2
    assert agent.transports[0].aborted


def test_data_before_the_request_is_not_a_response(agent: Agent) -> None:
    """Data that arrives before the request is sent is not a response to it."""
    results = agent.ask()
    agent.transports[0].has_unsent = True
    agent.transports[0].protocol.dataReceived(RESPONSE)
    assert results[0].check(BadResponse)
    assert agent.transports[0].aborted


def test_hosts_have_connections_of_their_own(agent: Agent) -> None:
    """A connection to one host is never used for another."""
    agent.respond(RESPONSE)
    agent.ask(URI.replace(b"us-east-1", b"eu-west-1"))
    assert sorted(agent.endpoints) == ["sts.eu-west-1.amazonaws.com", "sts.us-east-1.amazonaws.com"]


def test_idle_connections_are_closed(agent: Agent) -> None:
    """A connection is closed after a few idle seconds. Each use restarts that time."""
    first, second = agent.ask(), agent.ask()
    for transport in agent.transports:
        transport.protocol.dataReceived(RESPONSE)
    assert first[0].code == second[0].code == 200
    agent.clock.advance(IDLE_SECONDS / 2)
    assert agent.respond() is None
    agent.transports[0].protocol.dataReceived(RESPONSE)
    agent.clock.advance(IDLE_SECONDS / 2)
    assert [transport.aborted for transport in agent.transports] == [False, True]
    agent.clock.pump([IDLE_SECONDS / 4] * 3)
    assert [transport.aborted for transport in agent.transports] == [True, True]
    assert agent.clock.getDelayedCalls() == []


def test_idle_connections_are_bounded(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a burst, idle connections above the limit are closed."""
    monkeypatch.setattr(sts_agent, "_MAX_IDLE_PER_HOST", 2)
    for _ in range(4):
        agent.ask()
    for transport in agent.transports:
        transport.protocol.dataReceived(RESPONSE)
    assert sum(transport.aborted for transport in agent.transports) == 2


def test_close_idle_closes_idle_connections(agent: Agent) -> None:
    """`close_idle` closes idle connections, lets requests in progress finish, and leaves no timer."""
    busy = agent.ask()
    agent.ask()
    agent.transports[1].protocol.dataReceived(RESPONSE)
    agent.agent.close_idle()
    assert [transport.aborted for transport in agent.transports] == [False, True]
    assert agent.clock.getDelayedCalls() == []
    agent.transports[0].protocol.dataReceived(RESPONSE)
    assert busy[0].code == 200


def test_a_cancelled_request_closes_its_connection(agent: Agent) -> None:
    """Cancelling a request closes its connection, because its response could be taken for the next one's."""
    results: list[Any] = []
    response = agent.request()
    response.addBoth(results.append)
    agent.transports[0].protocol.dataReceived(RESPONSE[:20])
    response.cancel()
    assert agent.transports[0].aborted
    assert len(results) == 1
    assert results[0].check(CancelledError, ConnectionEnded)


def test_cancelling_while_connecting_cancels_the_attempt() -> None:
    """Cancelling while connecting cancels the attempt."""
    agent = Agent(at_once=False)
    results: list[Any] = []
    response = agent.request()
    response.addBoth(results.append)
    response.cancel()
    assert agent.endpoints[HOST.decode()].cancelled == 1
    assert results[0].check(CancelledError)


def test_a_failed_attempt_to_connect_is_passed_on() -> None:
    """The error of a failed connection is passed on to the caller."""
    agent = Agent(at_once=False)
    results = agent.ask()
    agent.endpoints[HOST.decode()].fail(Refused())
    assert results[0].check(Refused)
