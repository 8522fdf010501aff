"""One token, one decision: whose it is, who signed it by STS's word, and who that is in the cluster.

Knows neither HTTP nor the reactor: what it needs from outside comes by constructor.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from authd.core.caller_identity import CallerIdentity
from authd.core.decision import ALLOWED, Decision
from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason
from authd.core.mapping import KubernetesUser, MappingTable
from authd.core.partitions import STSHosts
from authd.core.token import PresignedRequest, check_prefix, parse_token
from authd.core.token_review import ReviewRequest, common_audiences

_INTERNAL_ERROR = "an internal error; see the daemon's log"

#: What one call to STS comes to, shared by all who wait for it.
_Outcome = CallerIdentity | Denied | Unavailable


class AskSTS(Protocol):
    """Send a checked request to STS: the only way out."""

    def __call__(self, request: PresignedRequest, /) -> Deferred[CallerIdentity]:
        """Return who signed it; fails with `Denied` or `Unavailable`, within the settings' deadline."""
        ...


class Authenticator:
    """Decides about tokens; identical ones under review at once share one STS call."""

    _log = Logger()

    def __init__(
        self,
        *,
        ask_sts: AskSTS,
        hosts: STSHosts,
        table: Callable[[], MappingTable],
        now: Callable[[], float],
        max_token_length: int,
        concurrency: int,
        audiences: tuple[str, ...] = (),
    ) -> None:
        self._ask_sts = ask_sts
        self._hosts = hosts
        self._table = table
        self._now = now
        self._max_token_length = max_token_length
        self._concurrency = concurrency
        self._audiences = audiences
        self._flights: dict[str, list[Deferred[_Outcome]]] = {}

    @property
    def in_flight(self) -> int:
        """How many calls to STS are under way."""
        return len(self._flights)

    async def decide(self, review: ReviewRequest) -> Decision:
        """Decide about one token; never raises: whatever goes wrong is a decision too."""
        reference = secrets.token_hex(4)
        request: PresignedRequest | None = None
        identity: CallerIdentity | None = None
        user: KubernetesUser | None = None
        audiences: tuple[str, ...] = ()
        reason, message = ALLOWED, ""
        try:
            check_prefix(review.token)
            request = self._parse(review.token)
            audiences = common_audiences(review.audiences, self._audiences)
            identity = await self._identify(request)
            user = self._table().lookup(identity)
        except (Denied, Unavailable) as error:
            reason, message = error.reason, error.message
        except Exception:  # noqa: BLE001  # a bug must deny, be seen, and not end the daemon
            self._log.failure("deciding about a token failed")
            reason, message = DenialReason.INTERNAL_ERROR, _INTERNAL_ERROR
        return Decision(
            reason=reason,
            message=message,
            reference=reference,
            token_digest=request.digest if request else "",
            host=request.host if request else "",
            user=user,
            identity=identity,
            audiences=audiences,
        )

    def _parse(self, token: str) -> PresignedRequest:
        return parse_token(token, hosts=self._hosts, now=self._now(), max_length=self._max_token_length)

    async def _identify(self, request: PresignedRequest) -> CallerIdentity:
        waiters = self._flights.get(request.digest)
        if waiters is None:
            if len(self._flights) >= self._concurrency:
                raise Unavailable(
                    UnavailableReason.OVERLOADED, f"{self._concurrency} calls to STS are under way already"
                )
            waiters = self._flights[request.digest] = []
            self._ask_sts(request).addBoth(self._land, request.digest)
        waiter: Deferred[_Outcome] = Deferred()
        waiters.append(waiter)
        outcome = await waiter
        if isinstance(outcome, CallerIdentity):
            return outcome
        raise outcome

    def _land(self, result: CallerIdentity | Failure, digest: str) -> None:
        outcome: _Outcome
        if isinstance(result, CallerIdentity):
            outcome = result
        elif isinstance(result.value, Denied | Unavailable):
            outcome = result.value
        else:
            self._log.failure("asking STS failed", failure=result)
            outcome = Denied(DenialReason.INTERNAL_ERROR, _INTERNAL_ERROR)
        for waiter in self._flights.pop(digest):
            waiter.callback(outcome)
