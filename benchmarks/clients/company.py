"""Users of an emulated STS with real signatures, the tokens that they mint, and the mappings for some of them."""

from __future__ import annotations

import base64
import itertools
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from authd.client.fast.sigv4 import sign_get_caller_identity, token_of
from authd.core.token import PREFIX
from benchmarks.clients.tokens import CLUSTER, FAST_HOST

ACCOUNT, STRANGERS_ACCOUNT = "111122223333", "444455556666"
#: The oldest date of new tokens. Tokens of one user differ in it. STS accepts tokens for longer.
_OLDEST_SECONDS = 600
_SIGNATURE_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An IAM user with one access key."""

    name: str
    account: str = ACCOUNT
    key_id: str
    secret: str = field(repr=False)
    _dates: Iterator[int] = field(default_factory=itertools.count, repr=False)

    @classmethod
    def new(cls, name: str, account: str = ACCOUNT) -> User:
        """Create a user with a random key."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
        key_id = "AKIA" + "".join(secrets.choice(alphabet) for _ in range(16))
        return cls(name=name, account=account, key_id=key_id, secret=secrets.token_urlsafe(30))

    @property
    def arn(self) -> str:
        """The ARN that STS confirms."""
        return f"arn:aws:iam::{self.account}:user/{self.name}"

    def token(self, host: str = FAST_HOST, *, cluster: str = CLUSTER, seconds_ago: int = 0) -> str:
        """Mint another token, with a date in the last ten minutes or `seconds_ago` earlier."""
        age = seconds_ago + next(self._dates) % _OLDEST_SECONDS
        return token_of(self._url(host, time.time() - age, cluster))

    def forgeries(self, count: int, host: str = FAST_HOST) -> Iterator[str]:
        """Make tokens with this user's key ID and wrong signatures, as a stranger can."""
        signed = self._url(host, time.time())[:-_SIGNATURE_LENGTH]
        for _ in range(count):
            url = signed + secrets.token_hex(_SIGNATURE_LENGTH // 2)
            yield PREFIX + base64.urlsafe_b64encode(url.encode()).rstrip(b"=").decode()

    def _url(self, host: str, at: float, cluster: str = CLUSTER) -> str:
        return sign_get_caller_identity(
            access_key=self.key_id.encode(),
            secret_key=self.secret.encode(),
            session_token=b"",
            host=host,
            region="us-east-1" if host == "sts.amazonaws.com" else host.split(".")[1],
            cluster_id=cluster.encode(),
            date=time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at)),
        )


def users(prefix: str, count: int, account: str = ACCOUNT) -> list[User]:
    """Create users."""
    return [User.new(f"{prefix}{number}", account) for number in range(count)]


def write_directory(path: Path, people: list[User]) -> Path:
    """Write the directory of an emulated STS with these users."""
    entries = [
        {"account": one.account, "name": one.name, "accessKeys": [{"id": one.key_id, "secret": one.secret}]}
        for one in people
    ]
    path.write_text(json.dumps({"users": entries}))
    return path


def map_users(people: list[User], fillers: int = 0, group: str = "bench") -> str:
    """Return `mapUsers` for these users, after `fillers` rules for others."""
    entry = "  - {{userARN: '{arn}', username: '{name}', groups: [{group}]}}\n"
    others = (f"arn:aws:iam::{100_000_000_000 + n % 500:012d}:user/Other-{n}" for n in range(fillers))
    filled = (entry.format(arn=arn, name="other", group="others") for arn in others)
    mapped = (entry.format(arn=one.arn, name=one.name, group=group) for one in people)
    return "  mapUsers:\n" + "".join((*filled, *mapped))
