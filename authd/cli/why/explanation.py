"""One decision with its next step, and the outcome under the current settings file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from authd.cli.explain import identity_of
from authd.cli.shared.errors import CommandError
from authd.cli.why.missing_mapping import MissingMapping, missing_mapping, source_in_cluster
from authd.cli.why.next_steps import next_step
from authd.config.backends import MOUNTED_FILE
from authd.config.settings import Loaded
from authd.core.errors import DenialReason, Denied


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One decision. `now` is the outcome under the current settings file, empty without a file or an identity.

    `source` is the source in the cluster for new mappings, empty for the settings file.
    """

    record: dict[str, Any]
    now: dict[str, Any]
    source: str = ""

    @property
    def next_step(self) -> str:
        """The next step as a sentence."""
        if self.record["reason"] == DenialReason.IDENTITY_NOT_MAPPED and self.now.get("matches"):
            return (
                f"Log in again: {self.now['rule']} maps the identity now. If that fails, the file is not in force: "
                "see /readyz."
            )
        if self._rule_was_inactive:
            return (
                f"None, if the time of {self.record['rule']} is right. Otherwise change its validFrom or validUntil, "
                "or add another mapping."
            )
        return next_step(self.record["reason"])

    @property
    def _rule_was_inactive(self) -> bool:
        """Whether the identity has a rule that had ended or not begun. The record names it."""
        return self.record["reason"] == DenialReason.IDENTITY_NOT_MAPPED and bool(self.record.get("rule"))

    @property
    def missing(self) -> MissingMapping | None:
        """The missing mapping. None if there is a mapping, even one that had ended or not begun."""
        if self.record["reason"] != DenialReason.IDENTITY_NOT_MAPPED or self.now.get("matches"):
            return None
        if self._rule_was_inactive:
            return None
        return missing_mapping(str(self.record.get("arn", "")))

    @property
    def entry(self) -> str:
        """The missing mapping as YAML. Empty if none is missing or it belongs to a source in the cluster."""
        return "" if self.missing is None or self.source else self.missing.as_yaml()

    @property
    def add_command(self) -> str:
        """The command that adds the missing mapping to a source in the cluster. Empty if there is none."""
        return "" if self.missing is None or not self.source else self.missing.as_command(self.source)

    def as_json(self) -> dict[str, Any]:
        """Return the record with the four fields of the explanation."""
        return {
            **self.record,
            "settings_now": self.now or None,
            "next_step": self.next_step,
            "mapping_entry": self.entry or None,
            "add_command": self.add_command or None,
        }

    def rows(self) -> Iterator[tuple[str, object]]:
        """Yield the names and values of the text output."""
        record = self.record
        yield "decision", f"{record['decision']}: {record['reason']}, reference {record['reference']}"
        yield "time", record.get("time", "")
        yield "message", record.get("message", "")
        yield "ARN", record.get("arn", "")
        yield "user name", record.get("username", "")
        yield "groups", record.get("groups", [])
        yield "rule", record.get("rule", "")
        yield "access key", record.get("access_key_id", "")
        yield "signed at", record.get("signed_at", "")
        yield "STS", _call(record)
        yield "trace", _trace(record)
        yield "settings now", _now(self.now)
        yield "next step", self.next_step


def explain_record(record: dict[str, Any], loaded: Loaded | None) -> Explanation:
    """Explain a decision. `loaded` is the current settings file, None if there is none."""
    arn = record.get("arn")
    now: dict[str, Any] = {}
    if loaded is not None and isinstance(arn, str):
        now = _lookup(arn, loaded)
    source = "" if loaded is None else source_in_cluster(loaded.settings.backend_mode)
    return Explanation(record=record, now=now, source=source)


def _lookup(arn: str, loaded: Loaded) -> dict[str, Any]:
    try:
        user = loaded.table.explain(identity_of(arn, None, loaded.settings), time.time())
    except CommandError:
        return {}  # the ARN is scrubbed, or of another partition
    except Denied as denied:
        if loaded.settings.backend_mode != (MOUNTED_FILE,):
            return {}  # another source may have a mapping
        return {"matches": False, "reason": str(denied.reason), "message": denied.message}
    return {"matches": True, "username": user.username, "groups": list(user.groups), "rule": user.rule}


def _now(now: dict[str, Any]) -> str:
    if not now:
        return ""
    if not now["matches"]:
        return str(now["message"])
    groups = ", ".join(now["groups"]) or "none"
    return f"{now['rule']} gives the user name {now['username']} and the groups {groups}"


def _call(record: dict[str, Any]) -> str:
    host, request_id = record.get("sts_host", ""), record.get("sts_request_id", "")
    known = {"cache": "from the cache", "stale": "from the cache, since STS failed"}.get(str(record.get("source")), "")
    return ", ".join(part for part in (host, request_id and f"request ID {request_id}", known) if part)


def _trace(record: dict[str, Any]) -> str:
    trace, span = record.get("trace_id", ""), record.get("span_id", "")
    return f"{trace}, span {span}" if trace else ""
