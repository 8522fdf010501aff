"""The decision about one token. The response, the log and the metrics are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from authd.core.caller_identity import CallerIdentity
from authd.core.errors import DenialReason, UnavailableReason
from authd.core.kubernetes_user import KubernetesUser
from authd.core.trace_context import TraceContext

#: The reason of a decision that accepts the token.
ALLOWED = "allowed"

#: The outcome of a review by the reason of its decision: `allowed`, `denied`, or `unavailable` for temporary failures.
OUTCOMES: Mapping[str, str] = MappingProxyType(
    {ALLOWED: "allowed", **dict.fromkeys(DenialReason, "denied"), **dict.fromkeys(UnavailableReason, "unavailable")}
)


class Source(StrEnum):
    """Origin of an identity: this call to STS, the cache, or the cache while STS fails."""

    STS = "sts"
    CACHE = "cache"
    STALE = "stale"


class SignedRequest(Protocol):
    """The facts about a token's request that the decision log shows."""

    @property
    def host(self) -> str:
        """The STS host that verifies it."""
        ...

    @property
    def access_key_id(self) -> str:
        """The signer's access key ID."""
        ...

    @property
    def date(self) -> int:
        """The signing time in Unix seconds."""
        ...


class Decision(NamedTuple):
    """One decision.

    `user` is set if and only if the token is accepted. `reason` is `allowed` or a value of `DenialReason` or
    `UnavailableReason`. `identity` is the one confirmed by STS, even if no mapping matches. `reference` is a short ID
    in both the response and the log. `audiences` are the requested audiences that the response contains. `request` is
    the token's request, if it could be parsed. `rule` is the place of the matching rule, even if its names could not be
    rendered. `trace` is the trace of the review, None without one.
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
    request: SignedRequest | None = None
    rule: str = ""
    trace: TraceContext | None = None
