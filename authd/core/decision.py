"""What was decided about one token: the value that the answer, the log and the metrics are made from."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from authd.core.caller_identity import CallerIdentity
from authd.core.mapping import KubernetesUser

#: The reason that stands where nothing was wrong.
ALLOWED = "allowed"


class Source(StrEnum):
    """Whose word an identity rests on: STS's of now, of a moment ago, or of before it went down."""

    STS = "sts"
    CACHE = "cache"
    STALE = "stale"


class Decision(NamedTuple):
    """One decision.

    `user` is set where the token is accepted, and only there. `reason` is `allowed` or a value of the two
    closed lists in `errors`. `identity` is what STS confirmed, also where no mapping followed. `reference` is a
    short text that the answer and the log share. `source` says whose word the identity rests on. `audiences`
    is what the answer repeats of those asked for.
    """

    reason: str
    message: str
    reference: str
    token_digest: str = ""
    host: str = ""
    user: KubernetesUser | None = None
    identity: CallerIdentity | None = None
    source: Source = Source.STS
    audiences: tuple[str, ...] = ()
