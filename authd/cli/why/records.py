"""Decisions read from JSON lines: the audit log, the daemon's log, or text with such lines in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

#: The last part of an ARN: the name of a user, or of a role's session.
_LAST_PART = re.compile(r"[^/:]*$")
#: The fields with a line of the log in the JSON of systemd's journal and of Docker.
_MESSAGES = ("MESSAGE", "log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A filter for decisions. An empty field matches every decision.

    `user` is a user name, an ARN, or an ARN's last part, in upper or lower case. `since` has a timezone.
    """

    reference: str = ""
    user: str = ""
    since: datetime | None = None

    def includes(self, record: dict[str, Any]) -> bool:
        """Return whether the filter matches a decision."""
        if self.reference and record.get("reference") != self.reference:
            return False
        if self.user and self.user.lower() not in _names(record):
            return False
        return self.since is None or _time(record) >= self.since


def read_records(lines: Iterable[str], selection: Selection) -> Iterator[dict[str, Any]]:
    """Yield the selected decisions. Skips all other lines, and lines that a full disk has truncated."""
    # Tested before parsing, because most lines don't match. JSON escapes non-ASCII letters, which can't be lowered.
    name = json.dumps(selection.user.lower())[1:-1] if selection.user.isascii() else ""
    for line in lines:
        if "decision" not in line or selection.reference not in line or (name and name not in line.lower()):
            continue
        record = _record(line)
        if record is not None and selection.includes(record):
            yield record


def _record(line: str) -> dict[str, Any] | None:
    """Return the decision in a line, which may have a prefix, as `journalctl` and `kubectl logs` print it.

    It may also be the text in another program's JSON, such as that of `journalctl -o json`.
    """
    record = _json(line)
    if isinstance(record, dict):
        record = next((_json(record[name]) for name in _MESSAGES if isinstance(record.get(name), str)), record)
    if not isinstance(record, dict) or not isinstance(record.get("reference"), str):
        return None
    return record if isinstance(record.get("reason"), str) and isinstance(record.get("decision"), str) else None


def _json(text: str) -> Any:
    """Return the JSON value at the end of a text, None if there is none."""
    try:
        return json.loads(text[text.index("{") :])
    except (ValueError, RecursionError):
        return None


def _names(record: dict[str, Any]) -> set[str]:
    arn = str(record.get("arn", ""))
    names = (record.get("username"), arn, record.get("canonical_arn"), *_LAST_PART.findall(arn)[:1])
    return {str(name).lower() for name in names if name}


def _time(record: dict[str, Any]) -> datetime:
    try:
        time = datetime.fromisoformat(str(record.get("time")))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
