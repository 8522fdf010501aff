"""One decision with its next step, and with the outcome by the settings file of today."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from authd.cli.errors import CommandError
from authd.cli.explain import identity_of
from authd.cli.why.next_steps import mapping_entry, next_step
from authd.config.settings import Loaded
from authd.core.errors import DenialReason, Denied

_BY_IDENTITY = frozenset({DenialReason.IDENTITY_NOT_MAPPED, DenialReason.USERNAME_NOT_RENDERED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One decision. `now` is the outcome by today's settings file, empty without a file or an identity."""

    record: dict[str, Any]
    now: dict[str, Any]

    @property
    def next_step(self) -> str:
        """The next step as a sentence."""
        if self.record["reason"] == DenialReason.IDENTITY_NOT_MAPPED and self.now.get("matches"):
            return (
                f"Log in again: {self.now['mapping']} maps the identity now. If that fails, the file is not in force: "
                "see /readyz."
            )
        return next_step(self.record["reason"])

    @property
    def entry(self) -> str:
        """The missing mapping as YAML, empty if none is missing."""
        missing = self.record["reason"] == DenialReason.IDENTITY_NOT_MAPPED and not self.now.get("matches")
        return mapping_entry(str(self.record.get("arn", ""))) if missing else ""

    def as_json(self) -> dict[str, Any]:
        """Return the record's own fields, and three more."""
        return {
            **self.record,
            "settings_now": self.now or None,
            "next_step": self.next_step,
            "mapping_entry": self.entry or None,
        }

    def rows(self) -> Iterator[tuple[str, object]]:
        """Yield names and values for people."""
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
        yield "settings now", _now(self.now)
        yield "next step", self.next_step


def explain_record(record: dict[str, Any], loaded: Loaded | None) -> Explanation:
    """Explain a decision. `loaded` is today's settings file, None if there is none."""
    arn = record.get("arn")
    now: dict[str, Any] = {}
    if loaded is not None and isinstance(arn, str):
        now = _lookup(arn, loaded)
    return Explanation(record=record, now=now)


def _lookup(arn: str, loaded: Loaded) -> dict[str, Any]:
    try:
        user = loaded.table.explain(identity_of(arn, None, loaded.settings))
    except CommandError:
        return {}  # the ARN is scrubbed, or of another partition
    except Denied as denied:
        return {"matches": False, "reason": str(denied.reason), "message": denied.message}
    return {"matches": True, "username": user.username, "groups": list(user.groups), "mapping": user.rule}


def _now(now: dict[str, Any]) -> str:
    if not now:
        return ""
    if not now["matches"]:
        return str(now["message"])
    groups = ", ".join(now["groups"]) or "none"
    return f"{now['mapping']} gives the user name {now['username']} and the groups {groups}"


def _call(record: dict[str, Any]) -> str:
    host, request_id = record.get("sts_host", ""), record.get("sts_request_id", "")
    known = {"cache": "from the cache", "stale": "from the cache, since STS failed"}.get(str(record.get("source")), "")
    return ", ".join(part for part in (host, request_id and f"request ID {request_id}", known) if part)
