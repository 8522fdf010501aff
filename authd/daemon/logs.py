"""How log events are written: classic text for people, one JSON object a line for machines."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, TextIO

from twisted.logger import FileLogObserver, ILogObserver, LogEvent, formatEvent, formatEventAsClassicLogText

FORMATS = ("auto", "text", "json")

_PLAIN = (str, int, float, bool, type(None))


def log_observer(out: TextIO, log_format: str) -> ILogObserver:
    """Return an observer that writes to `out`; `auto` is text on a terminal and JSON elsewhere."""
    if log_format == "auto":
        log_format = "text" if out.isatty() else "json"
    render = formatEventAsClassicLogText if log_format == "text" else _as_json_line
    return FileLogObserver(out, render)


def _as_json_line(event: LogEvent) -> str:
    record: dict[str, Any] = {
        "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds"),
        "level": event["log_level"].name,
        "logger": event["log_namespace"],
        "message": formatEvent(event),
    }
    for key, value in event.items():
        if not key.startswith("log_") and key not in record and _is_plain(value):
            record[key] = value
    failure = event.get("log_failure")
    if failure is not None:
        record["traceback"] = failure.getTraceback()
    return json.dumps(record, separators=(",", ":")) + "\n"


def _is_plain(value: object) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, list | tuple) and all(isinstance(v, str) for v in value))
