"""A reference server: a token's path through twisted.web's Site and treq with defaults, without checks and logs.

Its speed is that of the machine and of Python for this kind of work. run.py starts it. By hand:
python -m benchmarks.servers.usual FOLDER-WITH-cert.pem-AND-key.pem STS-PORT STS-CA-FILE
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

from treq.client import HTTPClient
from twisted.internet import reactor as _reactor
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

from authd.core.token import PREFIX
from benchmarks.clients.tokens import CLUSTER

_IDLE_CONNECTIONS = 256

reactor: Any = _reactor


@implementer(IAgentEndpointFactory)
class _STS:
    """Connects every host to one port of this machine, by verified TLS."""

    def __init__(self, port: int, ca_file: Path) -> None:
        self._port = port
        self._trust = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(ca_file.read_bytes())])

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        options = ssl.optionsForClientTLS(uri.host.decode(), trustRoot=self._trust)
        return wrapClientTLS(options, HostnameEndpoint(reactor, "127.0.0.1", self._port))


class _Review(Resource):
    isLeaf = True

    def __init__(self, client: HTTPClient) -> None:
        super().__init__()
        self._client = client

    def render_POST(self, request: Request) -> int:
        Deferred.fromCoroutine(self._answer(request))
        return NOT_DONE_YET

    async def _answer(self, request: Request) -> None:
        token = json.loads(request.content.read())["spec"]["token"]
        url = base64.urlsafe_b64decode(token.removeprefix(PREFIX) + "===").decode()
        answer = await self._client.get(url, headers={"x-k8s-aws-id": CLUSTER, "Accept": "application/json"})
        found = (await answer.json())["GetCallerIdentityResponse"]["GetCallerIdentityResult"]
        user = {"username": found["Arn"], "uid": found["UserId"], "groups": ["bench"]}
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
        body = json.dumps(review | {"status": {"authenticated": True, "user": user}}).encode()
        if request.channel is not None:  # the load may end during a review
            request.setHeader(b"content-type", b"application/json")
            request.write(body)
            request.finish()


def main() -> None:
    """Serve until ended. The first line of output is the port."""
    state, port, ca_file = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = _IDLE_CONNECTIONS
    agent = Agent.usingEndpointFactory(reactor, _STS(port, ca_file), pool)
    context = ssl.DefaultOpenSSLContextFactory(str(state / "key.pem"), str(state / "cert.pem"))
    site = Site(_Review(HTTPClient(agent)))
    print(reactor.listenSSL(0, site, context, interface="127.0.0.1").getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
