"""Short-lived tokens of service accounts. Those of the API server are valid for at least ten minutes."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

ISSUER = "https://kubernetes.default.svc"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def sign_token(key_file: Path, account: dict[str, Any], seconds: int) -> str:
    """Return a token of an account, signed by the API server's key and valid for some seconds."""
    key = load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    name, namespace = account["metadata"]["name"], account["metadata"]["namespace"]
    now = int(time.time())
    claims = {
        "aud": [ISSUER],
        "exp": now + seconds,
        "iat": now,
        "iss": ISSUER,
        "nbf": now,
        "sub": f"system:serviceaccount:{namespace}:{name}",
        "kubernetes.io": {
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]},
        },
    }
    signed = ".".join(_encode(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return f"{signed}.{_encode(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"
