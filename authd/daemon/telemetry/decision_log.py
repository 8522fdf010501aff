"""One log event for each decision, with stable field names. Scrubbed accounts never appear in one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from http import HTTPStatus
from json.encoder import encode_basestring_ascii as _quoted

from twisted.logger import Logger, LogLevel, globalLogPublisher

from authd.core.caller_identity import CallerIdentity
from authd.core.decision import ALLOWED, Decision
from authd.core.token_bucket import TokenBucket
from authd.daemon.telemetry.metrics import Metrics
from authd.sources.lockout_guard import SeenIdentities

_log = Logger(namespace="authd.webhook")

_SCRUBBED = "(scrubbed)"
_NAMESPACE = "authd.decisions"

#: Lines about requests that are no TokenReview: burst and rate per second. Any process on the node can cause them.
_REFUSAL_LINES, _REFUSAL_LINES_PER_SECOND = 20.0, 1.0


class DecisionLog:
    """Writes decisions to the log and counts them.

    `scrubbed_accounts` returns those of the settings in force. Events within `together` are written in one
    piece at its end.
    """

    def __init__(
        self,
        scrubbed_accounts: Callable[[], frozenset[str]],
        metrics: Metrics,
        seen: SeenIdentities,
        together: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._scrubbed_accounts = scrubbed_accounts
        self.together = together
        self._metrics = metrics
        self._seen = seen
        self._refusal_lines = TokenBucket(burst=_REFUSAL_LINES, rate=_REFUSAL_LINES_PER_SECOND, now=time.monotonic())
        self._omitted = 0

    def decided(self, decision: Decision, elapsed: float, status: int) -> None:
        """Log and count a decision: `elapsed` in seconds, `status` the HTTP status of the response."""
        self._metrics.decided(decision, elapsed)
        if decision.user is not None and decision.identity is not None:
            self._seen.note(decision.identity)
        record = self._record(decision, elapsed, status)
        # Straight to the publisher: a Logger's own fields would take longer than everything else here. The record is
        # formatted as text only if the log format is text.
        globalLogPublisher(
            {
                "log_namespace": _NAMESPACE,
                "log_level": LogLevel.info if decision.reason == ALLOWED else LogLevel.warn,
                "log_time": time.time(),
                "log_format": "{text()}",
                "text": partial(_text, record),
                "record": record,
            }
        )

    def refused(self, status: int, why: str) -> None:
        """Log and count a request that was not a TokenReview. In a flood, most lines are omitted and counted."""
        self._metrics.refused(status)
        if self._refusal_lines.refilled(time.monotonic()) < 1:
            self._omitted += 1
            return
        self._refusal_lines.left -= 1
        if self._omitted:
            _log.warn("refused {omitted} more requests without a line for each", omitted=self._omitted)
            self._omitted = 0
        _log.warn("refused a request with {status}: {why}", status=status, why=why)

    def _record(self, decision: Decision, elapsed: float, status: int) -> str:
        """Return the members of a JSON object. Values that can't contain quotes by their grammar need no escapes."""
        verdict = "allowed" if decision.user is not None else _verdict(status)
        members = (
            f'"decision":"{verdict}","reason":"{decision.reason}","message":{_quoted(decision.message)},'
            f'"reference":"{decision.reference}","token":"{decision.token_digest[:12]}","sts_host":"{decision.host}",'
            f'"elapsed_ms":{round(elapsed * 1000, 3)},"status":{status}'
        )
        return members if decision.identity is None else members + self._identity_fields(decision, decision.identity)

    def _identity_fields(self, decision: Decision, identity: CallerIdentity) -> str:
        account = identity.arn.account
        scrubbed = account in self._scrubbed_accounts()
        shown = (_SCRUBBED,) * 3 if scrubbed else (identity.arn_text, identity.canonical_arn, account)
        members = (
            f',"source":"{decision.source}","sts_request_id":{_quoted(identity.request_id)},"arn":{_quoted(shown[0])},'
            f'"canonical_arn":{_quoted(shown[1])},"account":{_quoted(shown[2])}'
        )
        if decision.user is None:
            return members
        names = [decision.user.username, *decision.user.groups]
        if scrubbed:
            names = [name.replace(account, _SCRUBBED) for name in names]
        username, *groups = map(_quoted, names)
        return f'{members},"username":{username},"groups":[{",".join(groups)}]'


def _text(record: str) -> str:
    members = json.loads(f"{{{record}}}")
    return " ".join(f"{name}={value}" for name, value in members.items() if value not in ("", []))


def _verdict(status: int) -> str:
    return "denied" if status == HTTPStatus.OK else "unavailable"
