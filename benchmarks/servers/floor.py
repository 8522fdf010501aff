"""A floor: the daemon's own stack (reactor, TLS, HTTP) with a fixed response instead of a decision.

run.py starts it. By hand: python -m benchmarks.servers.floor FOLDER-WITH-cert.pem-AND-key.pem
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor

from authd.core.token_review import MAX_REVIEW_LENGTH
from authd.daemon.http.server import JSON, BoundedFactory, BoundedRequest
from authd.daemon.net.server_tls import SwappableServerTLS, server_context
from authd.daemon.net.tls import TLSFactory
from benchmarks.servers.nginx import REVIEW_ANSWER

_BODY = REVIEW_ANSWER.encode()


class _FixedRequest(BoundedRequest):
    max_body = MAX_REVIEW_LENGTH

    def process(self) -> None:
        """Send the same response to every request."""
        self.respond(200, JSON, _BODY)


class _FixedFactory(BoundedFactory):
    request_class = _FixedRequest


def main() -> None:
    """Serve until ended. The first line of output is the port."""
    state = Path(sys.argv[1])
    reactor: Any = _reactor
    tls = SwappableServerTLS(server_context(str(state / "cert.pem"), str(state / "key.pem")))
    factory = TLSFactory(tls, _FixedFactory(reactor))
    print(reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
