"""One event for each decision, with stable names; accounts that are to be scrubbed never appear in one."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from authd.core.decision import ALLOWED, Decision
from authd.daemon.metrics import Metrics
from authd.lockout import SeenIdentities

_FORMAT = (
    "{decision} reason={reason} reference={reference} arn={arn} username={username} groups={groups} "
    "source={source} sts={sts_host} request_id={sts_request_id} elapsed_ms={elapsed_ms} token={token} "
    "status={status} {detail}"
)


class Audit:
    """Writes decisions to the log and counts them.

    `scrubbed_accounts` returns those of the settings in force.
    """

    _log = Logger()

    def __init__(self, scrubbed_accounts: Callable[[], frozenset[str]], metrics: Metrics, seen: SeenIdentities) -> None:
        self._scrubbed_accounts = scrubbed_accounts
        self._metrics = metrics
        self._seen = seen

    def decided(self, decision: Decision, elapsed: float, status: int) -> None:
        """Log one decision: `elapsed` in seconds, `status` the answer's HTTP status."""
        self._metrics.decided(decision, elapsed)
        if decision.user is not None and decision.identity is not None:
            self._seen.note(decision.identity)
        fields = self._identity(decision)
        emit = self._log.info if decision.reason == ALLOWED else self._log.warn
        emit(
            _FORMAT,
            decision="allowed" if decision.user is not None else "denied" if status == 200 else "unavailable",  # noqa: PLR2004
            reason=str(decision.reason),
            reference=decision.reference,
            detail=decision.message,
            source=str(decision.source),
            sts_host=decision.host,
            elapsed_ms=round(elapsed * 1000, 3),
            token=decision.token_digest[:12],
            status=status,
            **fields,
        )

    def refused(self, status: int, why: str) -> None:
        """Log a request that was not a TokenReview."""
        self._metrics.refused(status)
        self._log.warn("refused a request with {status}: {why}", status=status, why=why)

    def _identity(self, decision: Decision) -> dict[str, object]:
        identity, user = decision.identity, decision.user
        username = user.username if user else ""
        groups = list(user.groups) if user else []
        request_id = identity.request_id if identity else ""
        if identity is None or identity.arn.account not in self._scrubbed_accounts():
            return {
                "arn": identity.arn_text if identity else "",
                "canonical_arn": identity.canonical_arn if identity else "",
                "account": identity.arn.account if identity else "",
                "username": username,
                "groups": groups,
                "sts_request_id": request_id,
            }
        account = identity.arn.account
        return {
            "arn": "(scrubbed)",
            "canonical_arn": "(scrubbed)",
            "account": "(scrubbed)",
            "username": username.replace(account, "(scrubbed)"),
            "groups": [group.replace(account, "(scrubbed)") for group in groups],
            "sts_request_id": request_id,
        }
