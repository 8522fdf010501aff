"""Hostile clients on raw sockets are disconnected within bounds, and other clients are still served."""

from __future__ import annotations

import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL

from authd.emulator.directory.sample import ALICE_KEY
from authd.emulator.faults.plan import Fault, Phase
from authd.emulator.kube_apiserver import token_review
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint
from tests.integration.rig.polling import GENEROUS_SECONDS, wait_until
from tests.integration.rig.run_with_tight_limits import MAX_CONNECTIONS
from tests.integration.rig.settings import settings_text

TIGHT = Path(__file__).parent / "rig" / "run_with_tight_limits.py"
POST = b"POST /authenticate?timeout=30s HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def tight_daemon(
    tmp_path_factory: pytest.TempPathFactory, evidence: Evidence, sts: dict[str, Any]
) -> Iterator[DaemonProcess]:
    launcher = [sys.executable, str(TIGHT), "--nodaemon", "--pidfile="]
    daemon = DaemonProcess(tmp_path_factory.mktemp("tight"), evidence, launcher=launcher)
    daemon.settings.write_text(settings_text(sts={**sts, "timeout": "6s"}, healthPort=0))
    with daemon:
        yield daemon


@pytest.fixture
def tight(tight_daemon: DaemonProcess, emulator: EmulatorProcess, mint: Mint) -> Iterator[DaemonProcess]:
    """Return a daemon with tight limits. After each attack it must serve and must not have logged a bug."""
    assert tight_daemon.process.poll() is None, tight_daemon.said()
    yield tight_daemon
    emulator.clear()
    token = mint.by_signer(ALICE_KEY, expires=600)
    wait_until(lambda: _accepted(tight_daemon, token), "a good review after the attack")
    assert "Traceback" not in tight_daemon.said()
    assert "Unhandled" not in tight_daemon.said()


def _accepted(daemon: DaemonProcess, token: str) -> bool:
    try:
        return bool(daemon.review(token).user["username"] == "alice")
    except OSError:  # at the connection limit, until the attackers' connections end
        return False


def connect(daemon: DaemonProcess, receive_buffer: int | None = None) -> ssl.SSLSocket:
    """Connect, with the TLS handshake. `receive_buffer` is that of the kernel, in bytes."""
    context = ssl.create_default_context(cadata=(daemon.state / "ca.pem").read_text())
    plain = socket.socket()
    plain.settimeout(GENEROUS_SECONDS)
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.connect(("127.0.0.1", daemon.port))
    return context.wrap_socket(plain, server_hostname="localhost")


def read_to_end(connection: socket.socket) -> bytes:
    """Read until the server closes the connection in any way. Fails if it never does."""
    received = b""
    try:
        while data := connection.recv(65_536):
            received += data
    except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
        pass
    return received


def exchange(daemon: DaemonProcess, *parts: bytes) -> bytes:
    """Send, and read until the server closes."""
    with connect(daemon) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
            pass
        return read_to_end(connection)


def drip_until_cut(connection: socket.socket, drop: bytes) -> bytes:
    """Send `drop` at intervals until the server closes. Returns the received bytes."""
    connection.settimeout(0.05)
    limit = time.monotonic() + GENEROUS_SECONDS
    while time.monotonic() < limit:
        try:
            connection.sendall(drop)
            return connection.recv(65_536)
        except (TimeoutError, ssl.SSLWantReadError):
            continue
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
            return b""
    raise AssertionError("a dripping client was never cut off")


def status(answer: bytes) -> int:
    """Return the status of the first response, 0 if there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def test_a_too_large_content_length_is_refused_at_once(tight: DaemonProcess) -> None:
    """A Content-Length above the limit gets 413 before the body arrives, and the connection is closed."""
    assert status(exchange(tight, POST + b"Content-Length: 10000000\r\n\r\n")) == 413


def test_a_client_that_never_reads_is_disconnected(tight: DaemonProcess) -> None:
    """A client that sends requests without reading responses is blocked, then disconnected. No responses accumulate."""
    requests = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
    limit = time.monotonic() + GENEROUS_SECONDS
    with connect(tight, receive_buffer=2_048) as connection:
        connection.settimeout(0.2)
        waited = False
        with suppress(ConnectionResetError, BrokenPipeError, ssl.SSLError):
            while time.monotonic() < limit:
                try:
                    connection.sendall(requests)
                except TimeoutError:
                    waited = True
        assert waited
        assert time.monotonic() < limit


def test_a_chunked_body_is_refused_when_it_becomes_too_long(tight: DaemonProcess) -> None:
    """Chunks are counted on arrival. Above the limit the response is 413 and the connection is closed."""
    parts = [POST + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk(b" " * 8_000)] * 20]
    answer = exchange(tight, *parts)
    assert status(answer) in (413, 0)  # unread bytes make the kernel send a reset, which may overtake the response
    tight.wait_for_message("refused a request with 413")


def test_a_chunked_review_is_accepted(tight: DaemonProcess, mint: Mint) -> None:
    """A chunked review gets the same response as any other."""
    body = token_review(mint.by_signer(ALICE_KEY))
    parts = [POST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n", chunk(body[:100]), chunk(body[100:])]
    assert b'"username":"alice"' in exchange(tight, *parts, b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        (POST + b"Content-Length: 60000\r\n\r\n", b" "),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1"),
        (POST + b"X-Long: ", b"x"),
        (b"", b"G"),
        (b"", b"\r\n"),
    ],
    ids=["body", "chunks", "chunk's length", "header", "request line", "blank lines"],
)
def test_a_dripping_client_is_cut_off(tight: DaemonProcess, begin: bytes, drop: bytes) -> None:
    """A request that is incomplete at the deadline is cut off, even if bytes arrive steadily."""
    with connect(tight) as connection:
        connection.sendall(begin)
        assert status(drip_until_cut(connection, drop)) in (0, 400)


@pytest.mark.parametrize(
    "begin", [b"", POST, POST + b"Content-Length: 100\r\n\r\n{", POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n"]
)
def test_a_silent_client_is_cut_off(tight: DaemonProcess, begin: bytes) -> None:
    """A client that sends no request, or stops within one, is disconnected."""
    assert exchange(tight, begin) == b""


@pytest.mark.parametrize(
    "hello", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["nothing", "half a hello"]
)
def test_a_silent_handshake_is_cut_off(tight: DaemonProcess, hello: bytes) -> None:
    """The deadline covers the TLS handshake too."""
    with socket.create_connection(("127.0.0.1", tight.port), timeout=GENEROUS_SECONDS) as plain:
        plain.sendall(hello)
        assert read_to_end(plain) == b""


def test_plain_http_is_cut_off(tight: DaemonProcess) -> None:
    """A client without TLS gets no response."""
    with socket.create_connection(("127.0.0.1", tight.port), timeout=GENEROUS_SECONDS) as plain:
        plain.sendall(POST + b"\r\n")
        assert b"HTTP" not in read_to_end(plain)


@pytest.mark.parametrize(
    "head",
    [
        POST + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + b"\r\n",
        POST + b"X-Long: " + b"x" * 20_000 + b"\r\n\r\n",
        POST + b"X: " + b"x" * 5_000 + b"\r\nY: " + b"y" * 5_000 + b"\r\n\r\n",
        b"POST /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        POST + b"no colon here\r\n\r\n",
        POST + b"X y: z\r\n\r\n",
        POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        POST + b"Content-Length: +2\r\n\r\n{}",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 20_000 + b"2\r\n{}\r\n0\r\n\r\n",
        b"POST /authenticate\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
    ],
    ids=[
        "many headers", "long header", "long headers", "long target", "no colon", "space in a name",
        "two lengths", "signed length", "length and chunks", "other codings", "negative chunk", "prefixed chunk",
        "long chunk length", "no version", "HTTP/2", "binary",
    ],
)  # fmt: skip
def test_malformed_requests_get_400_and_are_disconnected(tight: DaemonProcess, head: bytes) -> None:
    """A request that is not valid HTTP/1.1 within the limits is refused, and the connection is closed."""
    assert status(exchange(tight, head)) in (400, 0)


def test_pipelined_reviews_are_answered_in_order(tight: DaemonProcess, mint: Mint) -> None:
    """Pipelined requests are answered in order, up to the first refused one."""
    body = token_review(mint.by_signer(ALICE_KEY))
    review = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    other, nothing = (b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in (b"healthz", b"nothing"))
    answers = exchange(tight, review + other * 20 + review + nothing + review)
    assert re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answers) == [b"200"] * 22 + [b"404"]
    assert answers.count(b'"username":"alice"') == 2


def test_data_after_the_last_request_is_not_read(tight: DaemonProcess) -> None:
    """Data after a request with `Connection: close` is not parsed as a request."""
    last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert exchange(tight, last + last).count(b"HTTP/1.1 ") == 1


def _legacy_connection(daemon: DaemonProcess) -> tuple[SSL.Connection, socket.socket]:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    plain = socket.create_connection(("127.0.0.1", daemon.port), timeout=GENEROUS_SECONDS)
    plain.setblocking(True)
    connection = SSL.Connection(context, plain)
    connection.set_connect_state()
    connection.do_handshake()
    return connection, plain


def test_renegotiation_is_refused(tight: DaemonProcess) -> None:
    """TLS 1.2 works, renegotiation does not."""
    connection, plain = _legacy_connection(tight)
    with closing(plain):
        assert connection.get_protocol_version_name() == "TLSv1.2"
        connection.renegotiate()
        with pytest.raises((SSL.Error, OSError)):
            connection.do_handshake()


@pytest.mark.parametrize(
    ("what", "settings"),
    [
        ("TLS 1.1", {"maximum_version": ssl.TLSVersion.TLSv1_1, "minimum_version": ssl.TLSVersion.TLSv1}),
        ("no forward secrecy", {"ciphers": "AES128-GCM-SHA256"}),
        ("CBC", {"ciphers": "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA256"}),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_weak_tls_is_refused(tight: DaemonProcess, what: str, settings: dict[str, Any]) -> None:
    """TLS before 1.2 and suites without forward secrecy or authenticated encryption are refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = settings.get("maximum_version", ssl.TLSVersion.TLSv1_2)
    context.minimum_version = settings.get("minimum_version", ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(settings.get("ciphers", "ALL") + ":@SECLEVEL=0")
    plain = socket.create_connection(("127.0.0.1", tight.port), timeout=GENEROUS_SECONDS)
    with plain, pytest.raises((ssl.SSLError, ConnectionResetError)):
        context.wrap_socket(plain)


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), (["h2"], None), ([], None)]
)
def test_only_http_1_1_is_negotiated(tight: DaemonProcess, offered: list[str], chosen: str | None) -> None:
    """Only HTTP/1.1 is selected by ALPN. Without a common protocol the handshake succeeds."""
    context = ssl.create_default_context(cadata=(tight.state / "ca.pem").read_text())
    if offered:
        context.set_alpn_protocols(offered)
    plain = socket.create_connection(("127.0.0.1", tight.port), timeout=GENEROUS_SECONDS)
    with context.wrap_socket(plain, server_hostname="localhost") as connection:
        assert connection.selected_alpn_protocol() == chosen


@contextmanager
def resting(daemon: DaemonProcess, count: int) -> Iterator[list[ssl.SSLSocket]]:
    """Hold idle connections that have had a response."""
    with ExitStack() as stack:
        held = []
        for _ in range(count):
            held.append(stack.enter_context(connect(daemon)))
            held[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert status(held[-1].recv(65_536)) == 200
        yield held


def test_at_the_limit_the_longest_idle_connection_is_closed(tight: DaemonProcess, mint: Mint) -> None:
    """At the limit a new connection is served, and the longest idle one is closed instead."""
    with resting(tight, MAX_CONNECTIONS) as held:
        assert tight.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"
        assert read_to_end(held[0]) == b""
        for connection in held[2:]:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert status(connection.recv(65_536)) == 200


def test_busy_connections_at_the_limit_exclude_new_ones(
    tight: DaemonProcess, emulator: EmulatorProcess, mint: Mint
) -> None:
    """If every connection at the limit is busy, a new one is closed, and the busy ones get their responses."""
    with ExitStack() as stack:
        bodies = [token_review(mint.by_signer(ALICE_KEY, expires=600 + number)) for number in range(MAX_CONNECTIONS)]
        asked = emulator.counters().requests
        emulator.inject(Fault.DELAY, seconds=4)
        held = []
        for body in bodies:
            held.append(stack.enter_context(connect(tight)))
            held[-1].sendall(POST + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        wait_until(lambda: emulator.counters().requests >= asked + MAX_CONNECTIONS, "the reviews to reach STS")
        plain = socket.create_connection(("127.0.0.1", tight.port), timeout=GENEROUS_SECONDS)
        with plain:
            assert read_to_end(plain) == b""
        emulator.clear()
        assert [b'"username":"alice"' in read_to_end(connection) for connection in held] == [True] * MAX_CONNECTIONS


def test_a_client_that_disconnects_early_is_harmless(
    tight: DaemonProcess, emulator: EmulatorProcess, mint: Mint
) -> None:
    """A client that disconnects before its response causes no warning."""
    asked = emulator.counters().requests
    emulator.inject(Fault.DELAY, times=1, seconds=0.5)
    body = token_review(mint.by_signer(ALICE_KEY, expires=666))
    with connect(tight) as connection:
        connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        wait_until(lambda: emulator.counters().requests > asked, "the review to reach STS")


@pytest.mark.parametrize("path", [b"/healthz", b"/nothing"])
def test_clients_that_do_not_read_are_cut_off(tight: DaemonProcess, path: bytes) -> None:
    """A client that sends requests and never reads can't fill the daemon's memory. The daemon soon stops reading."""
    request = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path * 100
    with connect(tight) as connection:
        connection.settimeout(0.2)
        sent = 0
        try:
            while sent < 200_000_000:
                connection.sendall(request)
                sent += len(request)
        except (TimeoutError, ssl.SSLError, ConnectionResetError, BrokenPipeError):
            pass
    assert sent < 200_000_000


@pytest.mark.parametrize(
    "begin", [POST + b"Content-Length: 3000\r\n\r\n{", POST[:-9], b"GET /nothing HTTP/1.1\r\n\r\n"]
)
def test_incomplete_requests_do_not_fill_the_connections(tight: DaemonProcess, mint: Mint, begin: bytes) -> None:
    """With many clients that stall or stay connected, a new client is served at once."""
    with ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS * 2):
            stack.enter_context(connect(tight)).sendall(begin)
        for number in range(3):
            assert tight.review(mint.by_signer(ALICE_KEY, expires=700 + number)).user["username"] == "alice"


def test_pipelining_does_not_hold_up_others(tight: DaemonProcess, mint: Mint) -> None:
    """While one connection sends thousands of requests, reviews on other connections are answered."""
    flood = b"GET /healthz HTTP/1.1\r\n\r\n" * 20_000
    with connect(tight) as connection, tight.client() as friend:
        sending = threading.Thread(target=_send_and_read, args=(connection, flood), daemon=True)
        sending.start()
        try:
            for number in range(5):
                assert friend.review(mint.by_signer(ALICE_KEY, expires=720 + number)).user["username"] == "alice"
        finally:
            # Below TLS: `SSLSocket.shutdown` and `close` drop the session that the thread still uses.
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            sending.join()


def _send_and_read(connection: ssl.SSLSocket, data: bytes) -> None:
    with suppress(OSError):
        for start in range(0, len(data), 8_192):
            connection.sendall(data[start : start + 8_192])
            while len(connection.recv(65_536)) == 65_536:
                pass


def test_a_stalled_sts_does_not_hold_up_others(tight: DaemonProcess, emulator: EmulatorProcess, mint: Mint) -> None:
    """While STS delays one review, others are decided."""
    asked = emulator.counters().requests
    emulator.inject(Fault.STALL, phase=Phase.HEADERS, times=1)
    body = token_review(mint.by_signer(ALICE_KEY, expires=667))
    with connect(tight) as connection:
        connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        wait_until(lambda: emulator.counters().requests > asked, "the review to reach STS")
        assert tight.review(mint.by_signer(ALICE_KEY, expires=668)).user["username"] == "alice"


def test_no_attackers_connection_is_left(tight: DaemonProcess) -> None:
    """After all attacks only idle connections are left."""

    def open_connections() -> int:
        descriptors = Path(f"/proc/{tight.process.pid}/fd").iterdir()
        return sum(1 for one in descriptors if _links_to_socket(one))

    wait_until(lambda: open_connections() <= 8, "the attackers' connections to be gone")


def _links_to_socket(descriptor: Path) -> bool:
    try:
        return str(descriptor.readlink()).startswith("socket:")
    except FileNotFoundError:
        return False
