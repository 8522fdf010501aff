"""A floor: the daemon's own stack (reactor, TLS, HTTP) with a fixed answer where the daemon decides.

Started by run.py; by hand: python -m benchmarks.floor FOLDER-WITH-cert.pem-AND-key.pem
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet import reactor as _reactor
from twisted.internet.interfaces import IAddress
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.http import HTTPChannel, HTTPFactory, Request

from authd.daemon.server_tls import SwappableServerTLS, server_context
from benchmarks.nginx import REVIEW_ANSWER

_BODY = REVIEW_ANSWER.encode()
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n%b"
_KEEP = _ANSWER % (len(_BODY), b"", _BODY)
_CLOSE = _ANSWER % (len(_BODY), b"Connection: close\r\n", _BODY)


class _FixedRequest(Request):
    def gotLength(self, _length: int | None) -> None:
        """Prepare for nothing: the body is not kept."""

    def handleContentChunk(self, _data: bytes) -> None:
        """Let the body go."""

    def requestReceived(self, *_command_path_version: bytes) -> None:
        """Answer every request the same."""
        self.startedWriting = 1
        channel: Any = self.channel
        channel.writeSequence([_KEEP if channel.persistent else _CLOSE])
        self.finish()  # type: ignore[no-untyped-call]  # Twisted's


class _FixedChannel(HTTPChannel):
    requestFactory = _FixedRequest


class _FixedFactory(HTTPFactory):
    noisy = False

    def buildProtocol(self, _addr: IAddress | None) -> Any:
        """Make a channel without the proxy that would speak HTTP/2."""
        channel = _FixedChannel()  # type: ignore[no-untyped-call]  # Twisted's
        channel.factory = self
        channel.timeOut = None
        return channel

    def log(self, request: Request) -> None:
        """Write no access log."""


def main() -> None:
    """Serve until ended; the first line of output is the port."""
    state = Path(sys.argv[1])
    reactor: Any = _reactor
    context = server_context(str(state / "cert.pem"), str(state / "key.pem"))
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # every handshake is a whole one
    context.set_options(SSL.OP_NO_TICKET)
    tls = SwappableServerTLS(context)
    factory = TLSMemoryBIOFactory(tls, isClient=False, wrappedFactory=_FixedFactory(reactor=reactor))
    print(reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
