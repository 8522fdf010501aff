"""How log events are written: classic text for people, one JSON object a line for machines."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, TextIO

from twisted.logger import FileLogObserver, ILogObserver, LogEvent, formatEvent, formatEventAsClassicLogText

FORMATS = ("auto", "text", "json")

_encode = json.JSONEncoder(separators=(",", ":")).encode
_PLAIN = (str, int, float, bool, type(None))


def log_observer(out: TextIO, log_format: str) -> ILogObserver:
    """Return an observer that writes to `out`; `auto` is text on a terminal and JSON elsewhere."""
    if log_format == "auto":
        log_format = "text" if out.isatty() else "json"
    render = formatEventAsClassicLogText if log_format == "text" else _as_json_line
    return FileLogObserver(out, render)


def _as_json_line(event: LogEvent) -> str:
    """Write an event; one that carries `record`, a dict of plain values, is written without being formatted."""
    line: dict[str, Any] = {
        "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds"),
        "level": event["log_level"].name,
        "logger": event["log_namespace"],
    }
    record = event.get("record")
    if record is not None:
        line |= record
    else:
        line["message"] = formatEvent(event)
        line |= {k: v for k, v in event.items() if not k.startswith("log_") and k not in line and _is_plain(v)}
    failure = event.get("log_failure")
    if failure is not None:
        line["traceback"] = failure.getTraceback()
    return _encode(line) + "\n"


def _is_plain(value: object) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, list | tuple) and all(isinstance(v, str) for v in value))
