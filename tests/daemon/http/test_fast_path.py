"""Messages of the usual form: what is taken for one is read as llhttp reads it, and nothing else is taken."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from authd.daemon.http.fast_path import usual_answer, usual_request
from authd.daemon.http.request_parser import BadRequest, RequestParser
from authd.daemon.http.response_parser import BadResponse, ResponseParser

REVIEW = (
    b"POST /authenticate?timeout=30s HTTP/1.1\r\nHost: localhost:21362\r\nUser-Agent: kube-apiserver/v1.31.0 (linux/amd64)"
    b"\r\nContent-Length: 2\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\nAccept-Encoding: gzip"
    b"\r\n\r\n{}"
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: 0123-45\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    b"Date: Thu, 26 Nov 2026 12:00:00 GMT\r\n\r\n{}"
)
PLAIN = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"


def test_the_usual_request_is_taken() -> None:
    """What kube-apiserver posts is of the usual form, and so is a request that says that it stays."""
    assert usual_request(REVIEW) == (b"POST", b"/authenticate?timeout=30s", b"{}")
    assert usual_request(PLAIN.replace(b"Host: a", b"Connection: keep-alive")) == (b"POST", b"/a", b"{}")
    assert usual_request(PLAIN.replace(b"2\r\n\r\n{}", b"0\r\n\r\n")) == (b"POST", b"/a", b"")


def test_the_usual_answer_is_taken() -> None:
    """What STS answers is of the usual form, be it yes or no."""
    assert usual_answer(ANSWER) == (200, b"{}")
    assert usual_answer(ANSWER.replace(b"200 OK", b"403 Forbidden")) == (403, b"{}")
    assert usual_answer(ANSWER.replace(b"200 OK", b"503 ")) == (503, b"{}")


#: What makes a message another than the usual one: instead of `Host: a`, or a change of the whole.
FRAMING = [
    b"Content-Length: 2",
    b"content-length: 2",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding: identity",
    b"Content-Encoding: gzip",
    b"Connection: close",
    b"Connection: Keep-Alive, close",
    b"connection: keep-alive",
    b"CONNECTION: upgrade",
    b"Proxy-Connection: close",
    b"Upgrade: h2c",
    b"Expect: 100-continue",
    b"eXPECT: 100-continue",
    b"A : b",
    b" folded: b",
    b"A: b\r\n\tc",
    b"A",
    b": b",
    b"A\0: b",
    b"A: b\0",
    b"A: b\x7f",
    b"A: b\xff",
    b"A: b\rC: d",
    b"A: b\nC: d",
    b"A: " + b"b" * 5000,
    b"\r\n".join([b"A: b"] * 40),
]


@pytest.mark.parametrize("header", FRAMING)
def test_other_headers_are_not(header: bytes) -> None:
    """A header that frames, or that could be read in two ways, makes a message that llhttp has to read."""
    assert usual_request(PLAIN) is not None
    assert usual_request(PLAIN.replace(b"Host: a", header)) is None
    assert usual_answer(ANSWER.replace(b"x-amzn-RequestId: 0123-45", header)) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"post"),
        (b"POST", b"PUT"),
        (b"POST", b"CONNECT"),
        (b"POST ", b"POST  "),
        (b"POST", b"\r\nPOST"),
        (b"/a", b"a"),
        (b"/a", b"/a b"),
        (b"/a", b"/a#b"),
        (b"/a", b"http://b/a"),
        (b"/a", b"/\xc3\xa4"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"HTTP/1.1", b"HTTP/2.0"),
        (b"HTTP/1.1", b"HTTP/1.1 "),
        (b"Length: 2", b"Length: 02"),
        (b"Length: 2", b"Length: +2"),
        (b"Length: 2", b"Length: 2 "),
        (b"Length: 2", b"Length: 2, 2"),
        (b"Length: 2", b"Length: 0x2"),
        (b"Length: 2", b"Length: 3"),
        (b"Length: 2", b"Length: 1"),
        (b"Length: 2", b"Length:2"),
        (b"Length: 2", b"Length: 2222222"),
        (b"\r\n\r\n", b"\n\n"),
        (b"{}", b"{}{"),
        (b"{}", b"{"),
        (b"Content-Length: 2\r\n", b""),
    ],
)
def test_other_spellings_are_not(old: bytes, new: bytes) -> None:
    """Whatever is spelled otherwise is llhttp's to judge."""
    assert usual_request(PLAIN.replace(old, new)) is None
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    if old in answer:
        assert usual_answer(answer.replace(old, new)) is None


@pytest.mark.parametrize("status", [b"100", b"101", b"204", b"304", b"301", b"600", b"20", b"2000", b"2x0"])
def test_other_statuses_are_not(status: bytes) -> None:
    """Statuses whose answers have no body, or that STS doesn't give, are llhttp's to judge."""
    assert usual_answer(ANSWER.replace(b"200", status)) is None


NAMES = st.sampled_from([header.partition(b":")[0] for header in FRAMING] + [b"Host", b"Te", b"Trailer", b"Keep-Alive"])
VALUES = st.one_of(
    st.sampled_from([b"", b"2", b"chunked", b"close", b"keep-alive", b"\t ", b"gzip"]), st.binary(max_size=6)
)
LINES = st.lists(st.tuples(NAMES, st.sampled_from([b": ", b":", b" :"]), VALUES).map(b"".join), max_size=4)
BODIES = st.sampled_from([b"", b"{}", b"GET / HTTP/1.1\r\n\r\n", b"0\r\n\r\n"])


def message(start: bytes, lines: list[bytes], place: int, body: bytes) -> bytes:
    lines = [*lines[:place], b"Content-Length: %d" % len(body), *lines[place:]]
    return b"\r\n".join([start, *lines, b"", body])


@settings(max_examples=500)
@given(lines=LINES, place=st.integers(0, 4), body=BODIES, flip=st.integers(0, 400), by=st.integers(0, 255))
@example(lines=[], place=0, body=b"{}", flip=0, by=0)
def test_a_usual_request_is_llhttps(lines: list[bytes], place: int, body: bytes, flip: int, by: int) -> None:
    """Whatever is taken for a usual request, llhttp takes for the same one, and it leaves the connection open."""
    data = bytearray(message(b"POST /a?b HTTP/1.1", lines, place, body))
    if flip < len(data):
        data[flip] ^= by
    usual = usual_request(bytes(data))
    if usual is not None:
        reader = RequestParser(1_000)
        for byte in data:  # in parts it has no usual form
            reader.feed(bytes([byte]))
        (request,) = reader.complete
        assert (request.method, request.target, request.body) == usual
        assert (request.persistent, request.expects_continue, reader.ended, reader.in_request) == (
            True,
            False,
            False,
            False,
        )


@settings(max_examples=500)
@given(lines=LINES, place=st.integers(0, 4), body=BODIES, flip=st.integers(0, 400), by=st.integers(0, 255))
@example(lines=[], place=0, body=b"{}", flip=0, by=0)
def test_a_usual_answer_is_llhttps(lines: list[bytes], place: int, body: bytes, flip: int, by: int) -> None:
    """Whatever is taken for a usual answer, llhttp takes for the same one, and it leaves the connection open."""
    data = bytearray(message(b"HTTP/1.1 403 Forbidden", lines, place, body))
    if flip < len(data):
        data[flip] ^= by
    usual = usual_answer(bytes(data))
    if usual is not None:
        answer = ResponseParser()
        answer.feed(bytes(data))
        response = answer.response()
        assert (response.code, response._body) == usual
        assert (answer.complete, answer.keep_alive) == (True, True)


@given(parts=st.lists(st.sampled_from([REVIEW, PLAIN, b"\r\n", b"GET / HTTP/1.1\r\n\r\n", PLAIN[:20], PLAIN[20:]])))
def test_usual_requests_among_others(parts: list[bytes]) -> None:
    """In whatever company a usual request comes, what is read is the same as byte by byte."""
    whole, slow = RequestParser(1_000), RequestParser(1_000)
    with suppress(BadRequest):
        for part in parts:
            whole.feed(part)
    with suppress(BadRequest):
        for byte in b"".join(parts):
            slow.feed(bytes([byte]))
    assert [(r.method, r.target, r.body) for r in whole.complete] == [
        (r.method, r.target, r.body) for r in slow.complete
    ]
    assert whole.in_request == slow.in_request


def test_a_usual_answer_to_nothing_is_refused() -> None:
    """A second answer in the same piece is not the usual form, and no answer at all."""
    assert usual_answer(ANSWER * 2) is None
    with pytest.raises(BadResponse):
        ResponseParser().feed(ANSWER * 2)
