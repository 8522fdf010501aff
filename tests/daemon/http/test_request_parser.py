"""The request parser: its results and its bounds."""

from __future__ import annotations

import gc
import weakref

import pytest

from authd.daemon.http.request_parser import MAX_HEADERS, MAX_OVERHEAD, BadRequest, RequestParser

MAX_BODY = 100


def head(*headers: bytes, line: bytes = b"POST /a?b HTTP/1.1") -> bytes:
    return b"\r\n".join([line, *headers, b"", b""])


def feed(parser: RequestParser, data: bytes) -> None:
    while data:
        data = parser.feed(data)


def parse(*parts: bytes) -> RequestParser:
    parser = RequestParser(MAX_BODY)
    for part in parts:
        feed(parser, part)
    return parser


def refusal(*parts: bytes) -> tuple[int, str]:
    with pytest.raises(BadRequest) as caught:
        parse(*parts)
    assert str(caught.value) == caught.value.why
    return caught.value.status, caught.value.why


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
def test_requests_are_parsed_from_pieces_of_any_size(size: int) -> None:
    """Method, target and body are assembled from pieces of any size. A second request has only its own."""
    one = head(b"Content-Length: 5") + b"hello"
    two = head(b"Transfer-Encoding: chunked", line=b"PUT /c HTTP/1.1") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    sent = one + two
    parser = parse(*(sent[at : at + size] for at in range(0, len(sent), size)))
    assert [(r.method, r.target, r.body, r.persistent) for r in parser.complete] == [
        (b"POST", b"/a?b", b"hello", True),
        (b"PUT", b"/c", b"abcde", True),
    ]
    assert not parser.in_request
    assert not parser.ended


@pytest.mark.parametrize(
    "request_head",
    [
        head(b"Connection: close"),
        head(line=b"GET / HTTP/1.0"),
        head(b"Connection: keep-alive", line=b"GET / HTTP/1.0"),
        head(line=b"CONNECT a:443 HTTP/1.1"),
        head(b"Connection: Upgrade", b"Upgrade: websocket", line=b"GET / HTTP/1.1"),
    ],
)
def test_nothing_is_parsed_after_the_last_request(request_head: bytes) -> None:
    """A request that closes the connection is complete, and the bytes after it are dropped."""
    for parts in ([request_head + b"\0nonsense" * 9_000], [request_head, b"\0nonsense", head()]):
        parser = parse(*parts)
        assert [request.persistent for request in parser.complete] == [False]
        assert parser.ended


def test_bounds_are_exact() -> None:
    """The largest body, head and number of headers are accepted. One more of each is not."""
    assert parse(head(b"Content-Length: %d" % MAX_BODY), b"x" * MAX_BODY).complete
    assert refusal(head(b"Content-Length: %d" % (MAX_BODY + 1))) == (413, "the body is too long")
    chunk = b"%x\r\n%b\r\n"
    assert refusal(head(b"Transfer-Encoding: chunked"), chunk % (MAX_BODY + 1, b"x" * (MAX_BODY + 1)))[0] == 413
    assert parse(head(*[b"A: b"] * MAX_HEADERS)).complete
    assert refusal(head(*[b"A: b"] * (MAX_HEADERS + 1))) == (400, "too many headers")
    assert refusal(head(*[b"A: b"] * (MAX_HEADERS + 2))[:-2]) == (400, "too many headers")  # although more data follows
    rest = len(b"/a?b") + len(b"A: \r\n")
    assert parse(head(b"A: " + b"x" * (MAX_OVERHEAD - rest - 100))).complete
    assert refusal(head(b"A: " + b"x" * (MAX_OVERHEAD - rest + 1))) == (400, "the head is too long")


@pytest.mark.parametrize(
    "endless",
    [
        [b"GET /" + b"x" * 9_000],
        [head()[:-2], b"A: " + b"x" * 9_000],
        [head(b"Transfer-Encoding: chunked"), b"1;" + b"x" * 9_000],
        [head(b"Transfer-Encoding: chunked"), b"0" * 9_000],
        [head(b"Transfer-Encoding: chunked"), b"0\r\n", b"A: " + b"x" * 9_000],
        [b"\r\n" * 4_500],
    ],
    ids=["target", "header", "extension", "size", "trailer", "lines"],
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_framing_is_bounded(endless: list[bytes], size: int) -> None:
    """The framing of an unfinished request is bounded, for pieces of any size."""
    sent = b"".join(endless)
    assert refusal(*(sent[at : at + size] for at in range(0, len(sent), size)))[0] == 400


def test_in_request_from_the_first_byte() -> None:
    """A request is in progress from its first byte, even of an empty line, to its last."""
    parser = parse(b"\r\n")
    assert parser.in_request
    parser.feed(head(b"Content-Length: 1"))
    assert parser.in_request
    parser.feed(b"x")
    assert not parser.in_request


def test_expect_continue_is_reported_before_the_body() -> None:
    """`Expect: 100-continue` is reported when the head is complete, unless the body is too long anyway."""
    parser = parse(head(b"Expect: 100-continue", b"Content-Length: 5")[:-1])
    assert not parser.current.expects_continue
    parser.feed(b"\n")
    assert parser.current.expects_continue
    assert not parse(head(b"Expect: something-else", b"Content-Length: 5")).current.expects_continue
    assert refusal(head(b"Expect: 100-continue", b"Content-Length: 500"))[0] == 413


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ([], None),
        ([b"Traceparent: 00-a"], b"00-a"),
        ([b"TRACEPARENT: \t 00-a \t"], b"00-a"),
        ([b"traceparent:"], b""),
        ([b"traceparent: 00-a", b"traceparent: 00-a"], b""),
        ([b"traceparent:", b"traceparent: 00-a"], b""),
        ([b"traceparent: a", b"traceparent: b", b"Traceparent: c"], b""),
        ([b"x-tracepare: 00-a", b"tracestate: 00-a"], None),
    ],
)
def test_traceparent_is_kept(headers: list[bytes], kept: bytes | None) -> None:
    """The header's value is stripped of blanks. A repeated header counts as an empty one."""
    parser = parse(head(*headers) + head())
    assert [request.traceparent for request in parser.complete] == [kept, None]


def test_traceparent_in_a_trailer_is_ignored() -> None:
    """A trailer is not a header."""
    parser = parse(head(b"Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\ntraceparent: 00-a\r\n\r\n")
    assert [request.traceparent for request in parser.complete] == [None]


def test_a_closed_parser_is_freed_without_garbage_collection() -> None:
    """`close` breaks the reference cycle with llhttp's parser, so that no garbage collection is needed."""
    gc.disable()
    try:
        parser = parse(head())
        reference = weakref.ref(parser)
        parser.close()
        parser.feed(b"nothing is read")
        del parser
        assert reference() is None
    finally:
        gc.enable()
