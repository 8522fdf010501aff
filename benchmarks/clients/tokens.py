"""Tokens for load: well-formed, distinct, and with invalid signatures.

The access key ID selects the response of `sts.lua`, so that every response can be checked.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from authd.core.token import PREFIX

CLUSTER = "benchmark"
#: The fast and the slow STS host: two hosts, so that one daemon can be measured with both.
FAST_HOST = "sts.us-east-1.amazonaws.com"
SLOW_HOST = "sts.us-west-2.amazonaws.com"

#: A usual length of the session tokens of roles.
_SESSION_TOKEN_LENGTH = 400
_SESSION_TOKEN = secrets.token_hex(_SESSION_TOKEN_LENGTH // 2)


def access_key(kind: str, number: int) -> str:
    """Return the access key ID of a caller. `kind` is an upper-case word that sts.lua knows."""
    return f"ASIA{kind}{number:0{16 - len(kind)}d}"


def mint(key: str, now: datetime, host: str = FAST_HOST) -> str:
    """Make a distinct token. `now` is in UTC."""
    region = host.split(".")[1]
    url = (
        f"https://{host}/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential={key}%2F{now:%Y%m%d}%2F{region}%2Fsts%2Faws4_request&X-Amz-Date={now:%Y%m%dT%H%M%SZ}"
        f"&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Security-Token={_SESSION_TOKEN}"
        f"&X-Amz-Signature={secrets.token_hex(32)}"
    )
    return PREFIX + base64.urlsafe_b64encode(url.encode()).rstrip(b"=").decode()


def distinct(count: int, *, kind: str = "GOOD", callers: int = 1000, host: str = FAST_HOST) -> Iterator[str]:
    """Mint tokens of a number of callers, in turn."""
    now = datetime.now(UTC)
    return (mint(access_key(kind, number % callers), now, host) for number in range(count))


def repeated(tokens: Iterable[str], times: int, block: int) -> Iterator[str]:
    """Repeat blocks of tokens, each several times."""
    waiting: list[str] = []
    for token in tokens:
        waiting.append(token)
        if len(waiting) == block:
            yield from waiting * times
            waiting.clear()
    yield from waiting * times


def foreign(count: int) -> Iterator[str]:
    """Yield tokens like those of a cluster's service accounts: three parts of base64url, some 900 characters."""
    return (f"eyJhbGciOiJSUzI1NiIsImtpZCI6I{secrets.token_hex(440)}" for _ in range(count))


def write_tokens(path: Path, tokens: Iterable[str]) -> Path:
    """Write one token a line."""
    with path.open("w") as file:
        file.writelines(token + "\n" for token in tokens)
    return path
