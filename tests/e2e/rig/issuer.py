"""An OpenID Connect issuer on loopback with discovery and one signing key."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

import trustme
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.integration.rig.tls_server import send_json, serving

AUDIENCE = "kubernetes"
_KEY_ID = "first"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _number(value: int) -> str:
    return _encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Issuer:
    """Signs ID tokens. `url` is its name, and `ca` the CA of its certificate in PEM."""

    def __init__(self, url: str, ca: str) -> None:
        self.url = url
        self.ca = ca
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, username: str) -> str:
        """Return a token for a user, valid for ten minutes."""
        header = {"alg": "RS256", "kid": _KEY_ID, "typ": "JWT"}
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": username, "iat": now, "exp": now + 600}
        signed = ".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{_encode(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def document(self, path: str) -> object | None:
        """Return the JSON document at a path, None if there is none."""
        public = self._key.public_key().public_numbers()
        key = {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": _KEY_ID,
            "n": _number(public.n),
            "e": _number(public.e),
        }
        discovery = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return {"/.well-known/openid-configuration": discovery, "/keys": {"keys": [key]}}.get(path)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    issuer: Issuer


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:  # http.server's name
        document = self.server.issuer.document(self.path)
        send_json(self, 404 if document is None else 200, document)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve_issuer() -> Iterator[Issuer]:
    """Serve an issuer until the block ends."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.issuer = Issuer(f"https://127.0.0.1:{server.server_address[1]}", authority.cert_pem.bytes().decode())
    with serving(server):
        yield server.issuer
