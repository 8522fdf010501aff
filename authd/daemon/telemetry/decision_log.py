"""One log event per decision, with stable field names. Scrubbed accounts never appear in it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from json.encoder import encode_basestring_ascii as _quoted

from twisted.logger import Logger, LogLevel, globalLogPublisher

from authd.core.access_key import key_account
from authd.core.caller_identity import CallerIdentity
from authd.core.decision import ALLOWED, OUTCOMES, Decision, SignedRequest
from authd.daemon.telemetry.audit_log import SCHEMA_VERSION, AuditLog
from authd.daemon.telemetry.bounded_lines import BoundedLines
from authd.daemon.telemetry.log_output import LogOutput
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.telemetry.recent_decisions import RecentDecisions
from authd.daemon.telemetry.stranger_lines import StrangerLines
from authd.sources.lockout_guard import SeenIdentities

_log = Logger(namespace="authd.webhook")

_SCRUBBED = "(scrubbed)"
_NAMESPACE = "authd.decisions"

#: Lines about requests that are not TokenReviews: burst and rate per second. Any process on the node can cause them.
_REFUSAL_LINES, _REFUSAL_LINES_PER_SECOND = 20.0, 1.0


class DecisionLog:
    """Logs and counts decisions.

    `scrubbed_accounts` returns those of the settings in force. `audit` receives one record per logged decision. Events
    between `hold` and `release` are written together, those of the log to `output`.
    """

    def __init__(
        self,
        scrubbed_accounts: Callable[[], frozenset[str]],
        metrics: Metrics,
        seen: SeenIdentities,
        output: LogOutput | None = None,
        *,
        audit: AuditLog | None = None,
        recent: RecentDecisions | None = None,
    ) -> None:
        self._scrubbed_accounts = scrubbed_accounts
        self._output = output
        self._audit = audit
        self._recent = recent
        self._held = False
        self._metrics = metrics
        self._seen = seen
        self._refusal_lines = BoundedLines(burst=_REFUSAL_LINES, rate=_REFUSAL_LINES_PER_SECOND, now=time.monotonic())
        self._strangers = StrangerLines(omitted=self._audit_omitted)

    def decided(self, decision: Decision, elapsed: float, status: int) -> None:
        """Log and count a decision: `elapsed` in seconds, `status` the HTTP status of the response.

        Each decision about a confirmed identity is logged. In a flood of other tokens, most lines are omitted.
        """
        self._metrics.decided(decision, elapsed)
        if self._recent is not None:
            self._recent.note(decision)
        if decision.user is not None and decision.identity is not None:
            self._seen.note(decision.identity)
        if decision.identity is None and not self._strangers.permits(decision.reason):
            return
        record = self._record(decision, elapsed, status)
        self._publish(decision, record)
        if self._audit is not None:
            self._write_audit(self._audit, record)

    def hold(self) -> None:
        """Buffer log lines and audit records until `release`."""
        self._held = True
        if self._output is not None:
            self._output.hold()

    def release(self) -> None:
        """Write the log lines and audit records since `hold`, each kind together."""
        self._held = False
        if self._output is not None:
            self._output.release()
        if self._audit is not None:
            self._audit.flush()

    def _write_audit(self, audit: AuditLog, record: str) -> None:
        seconds, milliseconds = divmod(int(time.time() * 1000), 1000)
        time_text = f"{_timestamp(seconds)[:-1]}.{milliseconds:03d}Z"
        audit.add(f'{{"schema":{SCHEMA_VERSION},"time":"{time_text}",{record}}}')
        if not self._held:
            audit.flush()

    def _audit_omitted(self, reason: str, omitted: int) -> None:
        if self._audit is not None:
            self._write_audit(self._audit, f'"decision":"omitted","reason":"{reason}","omitted":{omitted}')

    def _publish(self, decision: Decision, record: str) -> None:
        # Calls the publisher directly, because a Logger's own fields would take longer than everything else here. The
        # record is formatted as text only if the log format is text.
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

    def report_omitted(self) -> None:
        """Log the number of omitted lines, if there are any."""
        self._strangers.report()

    def refused(self, status: int, why: str) -> None:
        """Log and count a request that was not a TokenReview. In a flood, most lines are omitted and counted."""
        self._metrics.refused(status)
        if not self._refusal_lines.permits(time.monotonic()):
            return
        if omitted := self._refusal_lines.take_omitted():
            _log.warn("refused {omitted} more requests without a line for each", omitted=omitted)
        _log.warn("refused a request with {status}: {why}", status=status, why=why)

    def _record(self, decision: Decision, elapsed: float, status: int) -> str:
        """Return the members of a JSON object. Values whose grammar excludes quotes are not escaped."""
        members = (
            f'"decision":"{OUTCOMES[decision.reason]}","reason":"{decision.reason}","message":{_quoted(decision.message)},'
            f'"reference":"{decision.reference}","token":"{decision.token_digest[:12]}","sts_host":"{decision.host}",'
            f'"elapsed_ms":{round(elapsed * 1000, 3)},"status":{status}'
        )
        if decision.trace is not None:
            members += f',"trace_id":"{decision.trace.trace_id}","span_id":"{decision.trace.span_id}"'
        if decision.request is not None:
            members += self._signer_fields(decision.request, decision.identity)
        return members if decision.identity is None else members + self._identity_fields(decision, decision.identity)

    def _signer_fields(self, request: SignedRequest, identity: CallerIdentity | None) -> str:
        """Return the fields of the signature. STS confirms only those of the identity."""
        key, scrubbed = request.access_key_id, self._scrubbed_accounts()
        if scrubbed:
            account = key_account(key) if identity is None else identity.arn.account
            key = _SCRUBBED if account in scrubbed else key
        return f',"access_key_id":"{key}","signed_at":"{_timestamp(request.date)}"'

    def _identity_fields(self, decision: Decision, identity: CallerIdentity) -> str:
        account = identity.arn.account
        scrubbed = account in self._scrubbed_accounts()
        uid = f"aws-iam-authenticator:{account}:{identity.principal_id}"
        shown = (identity.arn_text, identity.canonical_arn, account, identity.principal_id, uid)
        arn, canonical_arn, shown_account, principal_id, uid = map(_quoted, (_SCRUBBED,) * 5 if scrubbed else shown)
        members = (
            f',"source":"{decision.source}","sts_request_id":{_quoted(identity.request_id)},"arn":{arn},'
            f'"canonical_arn":{canonical_arn},"account":{shown_account},'
            f'"principal_id":{principal_id},"uid":{uid},"rule":{_quoted(decision.rule)}'
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


@lru_cache(maxsize=64)  # many tokens share a second
def _timestamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat() + "Z"  # strftime cuts a year's zeros
