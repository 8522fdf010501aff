"""Verifies one token without a webhook: parse it, call STS, map the identity."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from authd.config.settings import Loaded
from authd.core.caller_identity import CallerIdentity
from authd.core.errors import Denied, Unavailable
from authd.core.kubernetes_user import KubernetesUser
from authd.core.partitions import STSHosts
from authd.core.token import PresignedRequest, parse_token

AskSTS = Callable[[PresignedRequest], Awaitable[CallerIdentity]]


class Verdict(StrEnum):
    """The result for a token. `verified` means that STS confirms it, and that there are no mappings."""

    ALLOWED = "allowed"
    VERIFIED = "verified"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result for a token, with the data that was available before a failure."""

    verdict: Verdict
    reason: str = ""
    message: str = ""
    request: PresignedRequest | None = None
    identity: CallerIdentity | None = None
    user: KubernetesUser | None = None


async def verify_token(token: str, loaded: Loaded, hosts: STSHosts, ask: AskSTS, now: float) -> Verification:
    """Verify a token as the daemon does. `now` is in Unix seconds. Never raises `Denied` or `Unavailable`."""
    request: PresignedRequest | None = None
    identity: CallerIdentity | None = None
    try:
        request = parse_token(token, hosts=hosts, now=now, max_length=loaded.settings.max_token_length)
        identity = await ask(request)
        if not len(loaded.table):
            return Verification(verdict=Verdict.VERIFIED, request=request, identity=identity)
        user = loaded.table.explain(identity, now)
    except (Denied, Unavailable) as error:
        return Verification(
            verdict=Verdict.REFUSED if isinstance(error, Denied) else Verdict.UNAVAILABLE,
            reason=str(error.reason),
            message=error.message,
            request=request,
            identity=identity,
        )
    return Verification(verdict=Verdict.ALLOWED, request=request, identity=identity, user=user)
