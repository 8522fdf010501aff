"""The webhook's HTTP layer: routes, statuses, limits and deadlines, in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from authd.core.decision import ALLOWED, Decision
from authd.core.errors import SILENT_REASONS, DenialReason, UnavailableReason
from authd.core.token_review import MAX_REVIEW_LENGTH, ReviewEncoder
from authd.core.trace_context import TraceContext
from authd.daemon.http.server import BODY_SECONDS, IDLE_SECONDS, REQUEST_SECONDS
from authd.daemon.webhook import WebhookFactory
from tests.daemon.fakes import (
    Records,
    ScriptedAuthenticator,
    StrictTransport,
    connected,
    decision,
    review_bytes,
)

SECRET = "k8s-aws-v1.c2VjcmV0LXRva2Vu"


class Webhook:
    """A webhook and one connection to it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.authenticator = ScriptedAuthenticator()
        self.records = Records()
        self.encoder = ReviewEncoder()
        self.factory = WebhookFactory(self.clock, self.authenticator, self.records, lambda: self.encoder)
        self.transport = self.connect()

    def connect(self) -> StrictTransport:
        return connected(self.factory.buildProtocol(None))

    def send(self, *data: bytes) -> bytes:
        """Send bytes on the connection, and return the immediate response."""
        for part in data:
            self.transport.protocol.dataReceived(part)
        self.clock.advance(0)  # the end of the reactor's turn
        response: bytes = self.transport.value()
        self.transport.clear()
        return response

    def advance(self, seconds: float) -> None:
        """Let time pass, and check the deadlines as the listener does."""
        self.clock.advance(seconds)
        self.factory.deadlines.sweep()


@pytest.fixture
def webhook() -> Webhook:
    return Webhook()


def post(body: bytes, path: bytes = b"/authenticate?timeout=30s", headers: bytes = b"") -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%b" % (path, headers)
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def parts(response: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """Return a response's status, headers and body. Nothing may follow it."""
    head, _, body = response.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)
    assert int(headers[b"Content-Length"]) == len(body)
    return int(first.split(b" ")[1]), headers, body


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_an_accepted_token_is_answered_with_its_user(webhook: Webhook, version: str) -> None:
    """An accepting decision becomes a TokenReview in the version of the request."""
    status, headers, body = parts(webhook.send(post(review_bytes(version=version))))
    review = json.loads(body)
    assert status == 200
    assert headers[b"Content-Type"] == b"application/json"
    assert review["apiVersion"] == f"authentication.k8s.io/{version}"
    assert review["status"]["user"]["username"] == "alice"


STATUSES: dict[str, int] = {
    **dict.fromkeys(DenialReason, 200),
    UnavailableReason.STS_THROTTLED: 429,
    UnavailableReason.STS_ERROR: 502,
    UnavailableReason.STS_BAD_ANSWER: 502,
    UnavailableReason.STS_UNREACHABLE: 502,
    UnavailableReason.STS_TIMEOUT: 504,
    UnavailableReason.INSTANCE_LOOKUP_THROTTLED: 429,
    UnavailableReason.INSTANCE_LOOKUP_FAILED: 502,
    UnavailableReason.INSTANCE_LOOKUP_TIMEOUT: 504,
    UnavailableReason.OVERLOADED: 429,
    UnavailableReason.CIRCUIT_OPEN: 503,
}


@pytest.mark.parametrize("reason", [*DenialReason, *UnavailableReason])
def test_each_reason_has_its_status(webhook: Webhook, reason: str) -> None:
    """Each reason has the status that makes kube-apiserver react correctly. There is never a Retry-After."""
    webhook.authenticator.answer = lambda _: decision(reason, "because of a test")
    status, headers, body = parts(webhook.send(post(review_bytes(SECRET))))
    assert status == STATUSES[reason]
    assert b"Retry-After" not in headers
    if reason in SILENT_REASONS:
        assert json.loads(body)["status"] == {"authenticated": False}
    else:
        assert f"because of a test [{reason}, reference 0a1b2c3d]" in body.decode()
    assert SECRET.encode() not in body
    assert [(d.reason, s) for d, _, s in webhook.records.decisions] == [(reason, status)]


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /authenticate", 405),
        (b"PUT /authenticate", 405),
        (b"POST /", 404),
        (b"POST /authenticate/", 404),
        (b"POST //authenticate", 404),
        (b"POST /Authenticate", 404),
        (b"POST /%61uthenticate", 404),
        (b"POST http://localhost/authenticate", 404),
        (b"GET /healthz/", 404),
        (b"POST /healthz", 404),
        (b"OPTIONS *", 404),
    ],
)
def test_other_paths_and_methods_are_refused(webhook: Webhook, request_line: bytes, status: int) -> None:
    """Anything but POST /authenticate and GET or HEAD /healthz is refused with the right status."""
    response = webhook.send(request_line + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert parts(response)[0] == status
    assert webhook.authenticator.reviews == []
    assert [refusal[0] for refusal in webhook.records.refusals] == [status]
    assert (b"Allow: POST\r\n" in response) == (status == 405)


TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)
TRACEPARENT = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"


@pytest.mark.parametrize(
    ("headers", "trace"), [(b"", None), (TRACEPARENT, TRACE), (TRACEPARENT * 2, None), (TRACEPARENT.upper(), None)]
)
def test_a_review_belongs_to_the_trace_of_its_request(
    webhook: Webhook, headers: bytes, trace: TraceContext | None
) -> None:
    """A valid traceparent is passed to the authenticator. A repeated or invalid one is ignored."""
    for _ in range(2):
        assert parts(webhook.send(post(review_bytes(), headers=headers)))[0] == 200
        assert parts(webhook.send(post(review_bytes())))[0] == 200
    assert [review.trace for review in webhook.authenticator.reviews] == [trace, None, trace, None]


def test_healthz_is_not_logged(webhook: Webhook) -> None:
    """GET and HEAD of /healthz are answered, without a log line."""
    assert parts(webhook.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"))[2] == b"ok\n"
    head, _, body = webhook.send(b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert head.endswith(b"Content-Length: 3")
    assert body == b""
    assert webhook.records.refusals == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"\xff", b'{"kind":"TokenReview"}', b"[" * 60_000])
def test_an_invalid_review_is_a_400(webhook: Webhook, body: bytes) -> None:
    """A body that is not a TokenReview gets 400 with an explanation. The authenticator is not called."""
    status, _, text = parts(webhook.send(post(body)))
    assert status == 400
    assert b"TokenReview" in text
    assert webhook.authenticator.reviews == []


def test_the_longest_body_is_accepted(webhook: Webhook) -> None:
    """A body of exactly the limit is accepted, with a length or in chunks."""
    body = review_bytes().ljust(MAX_REVIEW_LENGTH)
    assert parts(webhook.send(post(body)))[0] == 200
    head = b"POST /authenticate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert parts(webhook.send(head, b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"))[0] == 200


def test_a_content_length_above_the_limit_is_refused_at_once(webhook: Webhook) -> None:
    """One byte above the limit gets 413 before the body arrives. The body is then discarded."""
    head = post(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % (MAX_REVIEW_LENGTH + 1))
    status, headers, _ = parts(webhook.send(head))
    assert (status, headers[b"Connection"]) == (413, b"close")
    assert webhook.transport.disconnecting
    assert webhook.send(b" " * 10_000) == b""
    assert [refusal[0] for refusal in webhook.records.refusals] == [413]
    assert webhook.authenticator.reviews == []


def test_a_chunked_body_above_the_limit_is_refused(webhook: Webhook) -> None:
    """The limit is that of all chunks together. Above it the response is 413, once."""
    webhook.send(b"POST /authenticate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    assert webhook.send(chunk, chunk) == b""
    assert parts(webhook.send(chunk))[0] == 413
    assert webhook.send(chunk, b"0\r\n\r\n") == b""
    assert webhook.transport.disconnecting
    assert webhook.authenticator.reviews == []


def test_chunks_are_counted_to_the_byte(webhook: Webhook) -> None:
    """In chunks, too, one byte above the limit is too long."""
    head = b"POST /authenticate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = review_bytes().ljust(MAX_REVIEW_LENGTH)
    assert webhook.send(head, b"%x\r\n" % len(body) + body + b"\r\n") == b""
    assert parts(webhook.send(b"1\r\n \r\n"))[0] == 413


def test_a_refused_client_that_does_not_close_is_disconnected(webhook: Webhook) -> None:
    """A client that does not close after a 413 is disconnected."""
    webhook.send(post(b"").replace(b"Content-Length: 0", b"Content-Length: 99999999"))
    assert not webhook.transport.aborted
    webhook.advance(2.0)
    assert webhook.transport.aborted


@pytest.mark.parametrize(
    "begin",
    [b"", b"POST /authenticate HTTP/1.1\r\nX: ", post(review_bytes())[:-1], post(review_bytes())[:200]],
    ids=["nothing", "headers", "body but one byte", "some body"],
)
def test_bytes_do_not_move_the_deadline(webhook: Webhook, begin: bytes) -> None:
    """A request's deadline counts from its first byte, and its body's from the end of the head."""
    head = begin.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in begin else 0
    webhook.send(begin[:head])
    begin = begin[head:]
    step = (BODY_SECONDS if head else REQUEST_SECONDS) / (len(begin) + 2)
    webhook.send(begin[:1])
    for at in range(1, len(begin) + 1):
        webhook.clock.advance(step)
        webhook.send(begin[at : at + 1])
        webhook.factory.deadlines.sweep()
        assert not webhook.transport.aborted
    webhook.advance(step * 2 + 0.001)
    assert webhook.transport.aborted
    assert len(webhook.factory.deadlines) == 0


def test_a_review_has_no_connection_deadline(webhook: Webhook) -> None:
    """During a review the connection has no deadline, because the call to STS has one."""
    pending: Deferred[Decision] = Deferred()
    webhook.authenticator.answer = lambda _: pending
    assert webhook.send(post(review_bytes())) == b""
    assert webhook.factory.under_review == 1
    webhook.advance(3600)
    pending.callback(decision(ALLOWED))
    assert parts(webhook.send())[0] == 200
    assert webhook.factory.under_review == 0
    assert webhook.records.decisions[0][1] == 3600


def test_a_connection_may_be_idle_between_requests(webhook: Webhook) -> None:
    """Between requests a connection may be idle for a while. The next request has a deadline of its own."""
    webhook.send(post(review_bytes()))
    webhook.advance(IDLE_SECONDS - 1)
    assert parts(webhook.send(post(review_bytes())))[0] == 200
    webhook.advance(IDLE_SECONDS - 1)
    webhook.send(b"P")
    webhook.advance(REQUEST_SECONDS - 1)
    assert not webhook.transport.aborted
    webhook.advance(1)
    assert webhook.transport.aborted


def test_an_idle_connection_is_closed(webhook: Webhook) -> None:
    """A connection that is idle for too long is closed."""
    webhook.send(post(review_bytes()))
    webhook.advance(IDLE_SECONDS)
    assert webhook.transport.aborted


def test_nothing_is_written_to_a_disconnected_client(webhook: Webhook) -> None:
    """A decision for a disconnected client is recorded, and nothing is written."""
    pending: Deferred[Decision] = Deferred()
    webhook.authenticator.answer = lambda _: pending
    webhook.send(post(review_bytes()))
    webhook.transport.end()
    with capturedLogs() as events:
        pending.callback(decision(ALLOWED))
        webhook.clock.advance(0)
    assert webhook.transport.value() == b""
    assert len(webhook.records.decisions) == 1
    assert webhook.factory.under_review == 0
    assert not [event for event in events if "log_failure" in event]


def test_a_bug_is_a_500_and_logged(webhook: Webhook) -> None:
    """An exception in the authenticator is a 500 without details, and the next review is answered."""

    def broken(_: object) -> Decision:
        raise ZeroDivisionError(SECRET)

    webhook.authenticator.answer = broken
    with capturedLogs() as events:
        status, _, body = parts(webhook.send(post(review_bytes(SECRET))))
    assert (status, SECRET.encode() in body) == (500, False)
    assert [event["log_failure"].type for event in events if "log_failure" in event] == [ZeroDivisionError]
    assert webhook.factory.under_review == 0
    webhook.authenticator.answer = lambda _: decision(ALLOWED)
    assert parts(webhook.send(post(review_bytes())))[0] == 200


def test_while_draining_each_response_closes_its_connection(webhook: Webhook) -> None:
    """During the shutdown each response has `Connection: close`."""
    pending: Deferred[Decision] = Deferred()
    webhook.authenticator.answer = lambda _: pending
    webhook.send(post(review_bytes()))
    webhook.factory.draining = True
    pending.callback(decision(ALLOWED))
    status, headers, _ = parts(webhook.send())
    assert (status, headers[b"Connection"]) == (200, b"close")
    assert webhook.transport.disconnecting


@pytest.mark.parametrize(
    "request_bytes",
    [
        lambda: post(review_bytes(), headers=b"Connection: close\r\n"),
        lambda: post(review_bytes()).replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_the_client_can_close_the_connection(webhook: Webhook, request_bytes: Callable[[], bytes]) -> None:
    """After `Connection: close`, and after HTTP/1.0, the connection is closed."""
    status, headers, _ = parts(webhook.send(request_bytes()))
    assert (status, headers[b"Connection"]) == (200, b"close")
    assert webhook.transport.disconnecting


def test_pipelined_reviews_are_answered_in_order(webhook: Webhook) -> None:
    """The second of two pipelined requests waits until the first is answered."""
    pending: list[Deferred[Decision]] = []

    def later(_: object) -> Deferred[Decision]:
        pending.append(Deferred())
        return pending[-1]

    webhook.authenticator.answer = later
    assert webhook.send(post(review_bytes("one")) + post(review_bytes("two"))) == b""
    assert [review.token for review in webhook.authenticator.reviews] == ["one"]
    pending[0].callback(decision(ALLOWED))
    assert parts(webhook.send())[0] == 200
    assert [review.token for review in webhook.authenticator.reviews] == ["one", "two"]
    pending[1].callback(decision(DenialReason.FOREIGN_TOKEN))
    assert parts(webhook.send())[0] == 200


def test_a_client_that_does_not_read_is_not_read(webhook: Webhook) -> None:
    """While the client does not read, no request is read or answered, until it reads or the deadline passes."""
    channel = webhook.transport.protocol
    channel.pauseProducing()  # as the transport does if its buffer is full
    assert webhook.send(post(review_bytes())) == b""
    assert webhook.transport.producerState == "paused"
    assert webhook.authenticator.reviews == []
    webhook.advance(REQUEST_SECONDS - 1)
    channel.resumeProducing()
    assert parts(webhook.send())[0] == 200
    assert webhook.transport.producerState == "producing"
    channel.pauseProducing()
    webhook.advance(REQUEST_SECONDS)
    assert webhook.transport.aborted


def test_a_late_response_is_written_despite_back_pressure(webhook: Webhook) -> None:
    """A decision that is made while the client does not read is written. The next request waits."""
    pending: Deferred[Decision] = Deferred()
    webhook.authenticator.answer = lambda _: pending
    webhook.send(post(review_bytes("one")) + post(review_bytes("two")))
    webhook.transport.protocol.pauseProducing()
    pending.callback(decision(ALLOWED))
    assert parts(webhook.send())[0] == 200
    assert [review.token for review in webhook.authenticator.reviews] == ["one"]
    webhook.authenticator.answer = lambda _: decision(ALLOWED)
    webhook.transport.protocol.resumeProducing()
    assert [review.token for review in webhook.authenticator.reviews] == ["one", "two"]


@pytest.mark.parametrize(
    "head",
    [
        b"POST /authenticate HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(60)) + b"\r\n",
        b"POST /authenticate HTTP/1.1\r\nX: " + b"x" * 9_000 + b"\r\n\r\n",
        b"POST /" + b"x" * 9_000,
        b"POST /authenticate HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /authenticate HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"POST /authenticate HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n",
        b"POST /authenticate HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["headers", "header", "target", "both framings", "two lengths", "hexadecimal", "coding", "nonsense"],
)
def test_bad_http_is_a_400_and_closes_the_connection(webhook: Webhook, head: bytes) -> None:
    """Malformed HTTP, or a request above a limit, is refused and the connection closed."""
    response = webhook.send(head)
    assert response.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert response.endswith(b"\r\n\r\n")
    assert response.count(b"HTTP/1.1") == 1
    assert webhook.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n") == b""
    assert webhook.transport.disconnecting or webhook.transport.aborted
    assert webhook.authenticator.reviews == []


def test_closed_connections_are_forgotten(webhook: Webhook) -> None:
    """A closed connection is forgotten in every state."""
    for data in (b"", b"POST /auth", post(review_bytes())):
        transport = webhook.connect()
        transport.protocol.dataReceived(data)
        transport.end()
    assert len(webhook.factory.deadlines) == 1
    webhook.transport.end()
    assert len(webhook.factory.deadlines) == 0


def test_the_encoder_in_force_encodes_the_response(webhook: Webhook) -> None:
    """A response is encoded by the settings in force when it is written."""
    pending: Deferred[Decision] = Deferred()
    webhook.authenticator.answer = lambda _: pending
    webhook.send(post(review_bytes()))
    webhook.encoder = ReviewEncoder(scrubbed_accounts=frozenset({"111122223333"}))
    pending.callback(decision(ALLOWED))
    assert b"111122223333" not in webhook.send()


class Journal(Records):
    """Collects the records, and the number of responses sent before each."""

    def __init__(self, webhook: Webhook) -> None:
        super().__init__()
        self.webhook = webhook
        self.order: list[str] = []
        self.written_before = 0

    def decided(self, decision: Decision, elapsed: float, status: int) -> None:
        super().decided(decision, elapsed, status)
        self.order.append("record")

    def hold(self) -> None:
        self.order.append("begin")

    def release(self) -> None:
        self.order.append("end")
        self.written_before = len(self.webhook.transport.value())


def journal(webhook: Webhook) -> Journal:
    records = Journal(webhook)
    webhook.factory.records = records
    return records


def test_a_turns_decisions_are_recorded_before_any_response(webhook: Webhook) -> None:
    """The decisions of one turn are recorded together before any response is sent."""
    records = journal(webhook)
    others = [webhook.connect() for _ in range(2)]
    webhook.factory.turns.reviews += 1  # another review is in progress
    for transport in (webhook.transport, *others):
        transport.protocol.dataReceived(post(review_bytes()))
    assert records.order == []
    assert webhook.factory.under_review == 4
    webhook.clock.advance(0.5)
    assert records.order == ["begin", "record", "record", "record", "end"]
    assert records.written_before == 0
    assert [elapsed for _, elapsed, _ in records.decisions] == [0.5] * 3
    for transport in (webhook.transport, *others):
        assert parts(transport.value())[0] == 200
    assert webhook.factory.under_review == 1


def test_a_single_review_is_answered_in_its_turn(webhook: Webhook) -> None:
    """If only one review is in progress, its response does not wait for the end of the turn."""
    records = journal(webhook)
    webhook.transport.protocol.dataReceived(post(review_bytes()))
    assert records.order == ["begin", "record", "end"]
    assert parts(webhook.transport.value())[0] == 200


def test_a_failed_record_is_one_500(webhook: Webhook) -> None:
    """A decision that can't be recorded grants no access. The others of its turn are answered."""
    records = journal(webhook)
    other = webhook.connect()
    webhook.factory.turns.reviews += 1

    def broken(decision: Decision, elapsed: float, status: int) -> None:
        if not records.order[1:]:
            records.order.append("broken")
            raise ZeroDivisionError
        Journal.decided(records, decision, elapsed, status)

    records.decided = broken
    with capturedLogs() as events:
        for transport in (webhook.transport, other):
            transport.protocol.dataReceived(post(review_bytes()))
        webhook.clock.advance(0)
    assert records.order == ["begin", "broken", "record", "end"]
    assert [parts(transport.value())[0] for transport in (webhook.transport, other)] == [500, 200]
    assert len([event for event in events if "log_failure" in event]) == 1
    assert webhook.factory.under_review == 1


def test_records_that_cannot_be_written_hold_back_no_response(webhook: Webhook) -> None:
    """An error in writing the records of a turn is logged, and its reviews are answered."""
    records = journal(webhook)

    def broken() -> None:
        raise ZeroDivisionError

    records.release = broken
    with capturedLogs() as events:
        assert parts(webhook.send(post(review_bytes())))[0] == 200
    assert len([event for event in events if "log_failure" in event]) == 1
    assert webhook.factory.under_review == 0


def test_a_failed_encoding_is_one_500(webhook: Webhook) -> None:
    """A response that can't be encoded is a 500 for only that request."""
    other = webhook.connect()
    webhook.factory.turns.reviews += 1
    good = decision(ALLOWED)
    responses = [good._replace(user=object()), good]
    webhook.authenticator.answer = lambda _: responses.pop(0)
    with capturedLogs() as events:
        for transport in (webhook.transport, other):
            transport.protocol.dataReceived(post(review_bytes()))
        webhook.clock.advance(0)
    assert [parts(transport.value())[0] for transport in (webhook.transport, other)] == [500, 200]
    assert len([event for event in events if "log_failure" in event]) == 1
    assert webhook.factory.under_review == 1


def test_a_refused_request_closes_its_connection(webhook: Webhook) -> None:
    """A client that pipelines refused requests gets one response."""
    responses = webhook.send(b"GET /nothing HTTP/1.1\r\n\r\n" * 1_000)
    assert responses.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in responses
    assert webhook.transport.disconnecting


@pytest.mark.parametrize("pieces", [1, 50])
def test_pipelined_requests_are_answered_a_few_at_a_time(webhook: Webhook, pieces: int) -> None:
    """Pipelined requests are answered over several turns, so that they don't block other connections."""
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    data = request * 500
    turns: list[Callable[[], None]] = []
    webhook.factory.call_later = lambda _, resume: turns.append(resume)
    size = -(-len(data) // pieces)
    for start in range(0, len(data), size):
        webhook.transport.protocol.dataReceived(data[start : start + size])
    seen = [webhook.transport.value().count(b"200 OK")]
    while turns:
        turns.pop()()
        seen.append(webhook.transport.value().count(b"200 OK"))
    assert max(after - before for before, after in pairwise([0, *seen])) == 4
    assert seen[-1] == 500


def test_a_body_has_two_seconds_from_its_head(webhook: Webhook) -> None:
    """After a late head, the body has only the rest of the request's time."""
    whole = post(review_bytes())
    webhook.send(whole[:20])
    webhook.clock.advance(REQUEST_SECONDS - 0.5)
    webhook.send(whole[20:-1])
    webhook.advance(0.5)
    assert webhook.transport.aborted


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_metrics_on_the_webhook_port(method: bytes) -> None:
    """The webhook's port serves /metrics too, unless that is turned off."""
    webhook = Webhook()
    request = method + b" /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
    assert webhook.send(request).startswith(b"HTTP/1.1 404 ")
    webhook.factory.metrics = lambda: (b"text/plain", b"a 1\n")
    webhook.transport = webhook.connect()
    response = webhook.send(request)
    assert response.startswith(b"HTTP/1.1 200 ")
    assert response.endswith(b"\r\n\r\na 1\n") == (method == b"GET")
