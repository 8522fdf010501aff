"""One event for each decision, with stable names; accounts that are to be scrubbed never appear in one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger, LogLevel, globalLogPublisher

from authd.core.decision import ALLOWED, Decision
from authd.daemon.metrics import Metrics
from authd.lockout import SeenIdentities

_SCRUBBED = "(scrubbed)"
_NAMESPACE = f"{__name__}.Audit"


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
        record = self._record(decision, elapsed, status)
        # Straight to the publisher: what a logger would add takes longer than everything else here. Text is made of
        # the record only where someone reads text.
        globalLogPublisher(
            {
                "log_namespace": _NAMESPACE,
                "log_level": LogLevel.info if decision.reason == ALLOWED else LogLevel.warn,
                "log_time": time.time(),
                "log_format": "{text()}",
                "text": lambda: _text(record),
                "record": record,
            }
        )

    def refused(self, status: int, why: str) -> None:
        """Log a request that was not a TokenReview."""
        self._metrics.refused(status)
        self._log.warn("refused a request with {status}: {why}", status=status, why=why)

    def _record(self, decision: Decision, elapsed: float, status: int) -> dict[str, Any]:
        record: dict[str, Any] = {
            "decision": "allowed" if decision.user is not None else _verdict(status),
            "reason": str(decision.reason),
            "message": decision.message,
            "reference": decision.reference,
            "token": decision.token_digest[:12],
            "sts_host": decision.host,
            "elapsed_ms": round(elapsed * 1000, 3),
            "status": status,
        }
        identity, user = decision.identity, decision.user
        if identity is not None:
            record["source"] = str(decision.source)
            record["sts_request_id"] = identity.request_id
            record["arn"] = identity.arn_text
            record["canonical_arn"] = identity.canonical_arn
            record["account"] = identity.arn.account
        if user is not None:
            record["username"] = user.username
            record["groups"] = list(user.groups)
        if identity is not None and identity.arn.account in self._scrubbed_accounts():
            return _scrubbed(record, identity.arn.account)
        return record


def _text(record: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in record.items() if value not in ("", []))


def _verdict(status: int) -> str:
    return "denied" if status == 200 else "unavailable"  # noqa: PLR2004  # HTTP's OK


def _scrubbed(record: dict[str, Any], account: str) -> dict[str, Any]:
    record |= {"arn": _SCRUBBED, "canonical_arn": _SCRUBBED, "account": _SCRUBBED}
    if "username" in record:
        record["username"] = record["username"].replace(account, _SCRUBBED)
        record["groups"] = [group.replace(account, _SCRUBBED) for group in record["groups"]]
    return record
