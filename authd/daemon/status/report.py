"""The state of the daemon, for `authd status`, `authd reload` and `authd explain --live`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from twisted.logger import Logger

from authd import __version__
from authd.authentication.call_limiter import CallLimiter
from authd.authentication.circuit_breaker import CircuitBreakers
from authd.authentication.verdict_cache import VerdictCache
from authd.config.backends import MOUNTED_FILE
from authd.core.arn import InvalidArn, parse_arn
from authd.core.caller_identity import CallerIdentity, unconfirmed_identity
from authd.core.errors import DenialReason, Denied, Problem
from authd.core.mapping.table import MappingTable
from authd.daemon.status.rule_times import rule_times
from authd.daemon.status.server import InvalidQuery, Query
from authd.daemon.telemetry.recent_decisions import MINUTES, RecentDecisions
from authd.daemon.telemetry.sts_calls import RecentDurations
from authd.sources.in_force import InForce
from authd.sources.refusals import NothingRefused
from authd.sources.source import Source

_log = Logger(namespace="authd.reload")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """Answers the queries. `problems` returns the problems of /readyz by the name of their check."""

    file: str
    digest: Callable[[], str]
    in_force: InForce
    sources: Sequence[Source]
    limiter: CallLimiter
    breakers: CircuitBreakers
    cache: VerdictCache
    durations: RecentDurations
    decisions: RecentDecisions
    problems: Callable[[], dict[str, str]]
    certificate_days_left: Callable[[], float]
    connections: Callable[[], int]
    under_review: Callable[[], int]
    last_review: Callable[[], float]
    started: float = field(default_factory=time.time)

    def status(self, _: Query) -> dict[str, object]:
        """Return everything. Times are Unix times, durations are in seconds."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started": self.started,
            "problems": self.problems(),
            "settings": self.settings({}),
            "sources": [self._source(source, table) for source, table in self.in_force.tables.tables],
            "decisions": {"minutes": MINUTES, "by_reason": self.decisions.by_reason()},
            **self.refusals({}),
            "refused": self.decisions.refused(self.in_force.settings.scrubbed_accounts),
            "sts": {
                "in_flight": self.limiter.in_flight,
                "waiting": self.limiter.waiting,
                "failing": self.breakers.failing(),
                "recent_calls": self.durations.summary(),
            },
            "caches": {kind: state._asdict() for kind, state in self.cache.state().items()},
            "budgets": self._budgets(),
            "reviews": {
                "in_flight": self.under_review(),
                "connections": self.connections(),
                "last": self.last_review() or None,
            },
            "certificate": {"seconds_left": round(self.certificate_days_left() * 86_400)},
        }

    def settings(self, _: Query) -> dict[str, object]:
        """Return the state of the settings file: the SHA-256 of the content that was last read, and its problems."""
        own = [source for source in self.sources if source.name == MOUNTED_FILE]
        problems = [_as_json(problem) for source in own for problem in source.problems]
        return {"file": self.file, "sha256": self.digest(), "rules": len(self.in_force.tables), "problems": problems}

    def refusals(self, _: Query) -> dict[str, object]:
        """Return the changes that the lock-out guard has refused, apart from those of the settings file."""
        refusals = self.in_force.refusals.all
        return {"refusals": [{"source": e.source, "reference": e.reference, "message": e.message} for e in refusals]}

    def force(self, query: Query) -> dict[str, object]:
        """Put the refused change of `source` in force that has the `reference`."""
        source = str(query.get("source"))
        try:
            self.in_force.refusals.force(source, str(query.get("reference")))
        except NothingRefused as error:
            raise InvalidQuery(str(error)) from None
        _log.warn("{source}: forced past the lock-out guard by `authd reload --force`", source=source)
        return {"source": source, "rules": len(self.in_force.tables)}

    def explain(self, query: Query) -> dict[str, object]:
        """Return the rule in force for `arn`, or the nearest one."""
        try:
            identity = unconfirmed_identity(parse_arn(str(query.get("arn"))))
        except InvalidArn as error:
            raise InvalidQuery(f"the ARN is invalid: {error}") from None
        known, now = {"canonical_arn": identity.canonical_arn}, time.time()
        try:
            user = self.in_force.tables.explain(identity, now)
        except Denied as denied:
            message = self._why(denied, identity, now)
            return {**known, "matches": False, "reason": str(denied.reason), "message": message}
        match = self.in_force.tables.find(identity, now)
        return {
            **known,
            "matches": True,
            "username": user.username,
            "groups": list(user.groups),
            "rule": user.rule,
            "source": "" if match is None else match.source,
            **({} if match is None else match.rule.validity.members()),
        }

    def _why(self, denied: Denied, identity: CallerIdentity, now: float) -> str:
        tables = self.in_force.tables
        if denied.reason is not DenialReason.IDENTITY_NOT_MAPPED or tables.rule_of_another_time(identity, now):
            return denied.message
        # A login does not search for near misses, because that takes long.
        nearest = [table.closest(identity, now) for _, table in tables.tables if len(table)]
        return f"no mapping matches: {'; '.join(nearest) or 'there are no mappings'}"

    def _source(self, name: str, table: MappingTable) -> dict[str, object]:
        problems = [_as_json(problem) for source in self.sources if source.name == name for problem in source.problems]
        copy = self.in_force.copies.get(name)
        return {
            "name": name,
            "place": self._place(name),
            "rules": len(table),
            "changed": self.in_force.changed[name],
            "problems": problems,
            "copy": None if copy is None else {"origin": copy.origin, "saved": copy.saved},
            **rule_times(table, time.time()),
        }

    def _place(self, name: str) -> str:
        """Return the place of a source's mappings."""
        path = self.in_force.settings.dynamic_file_path or ""
        places = {"DynamicFile": path, "EKSConfigMap": "kube-system/aws-auth", "CRD": "iamidentitymappings"}
        return places.get(name, self.file)

    def _budgets(self) -> dict[str, object]:
        known, exhausted = self.limiter.keys()
        calls = {name: round(left) for name, left in self.limiter.budgets().items()}
        return {"calls": calls, "known_keys": known, "exhausted_keys": exhausted}


def _as_json(problem: Problem) -> dict[str, object]:
    return {"file": problem.file, "line": problem.line, "column": problem.column, "message": problem.message}
