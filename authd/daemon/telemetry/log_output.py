"""The log's output formats: text for people, one JSON object per line for machines."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from io import TextIOWrapper
from typing import TextIO, cast

from twisted.logger import FileLogObserver, ILogObserver, LogEvent, formatEvent, formatEventAsClassicLogText
from zope.interface import implementer

FORMATS = ("auto", "text", "json")

_encode = json.JSONEncoder(separators=(",", ":")).encode
#: Line prefixes by which systemd's journal sets priorities. Source: sd-daemon(3).
_PRIORITIES = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}
_HEAD = ("time", "level", "logger", "message")
_PLAIN = (str, int, float, bool, type(None))


class LogOutput:
    """A log's output stream. Lines between `hold` and `release` are written together."""

    def __init__(self, out: TextIO) -> None:
        self.isatty = out.isatty
        self.is_journal = _is_journal(out)
        self._out = out
        self._parts: list[str] = []
        self._held = False
        if isinstance(out, TextIOWrapper):
            out.reconfigure(errors="backslashreplace")  # a name outside the locale's encoding must not raise

    def write(self, text: str) -> None:
        """Buffer text until the next `flush`."""
        self._parts.append(text)

    def flush(self) -> None:
        """Write the buffer, unless the stream is held."""
        if not self._held:
            # Emptied before the write, so that a full disk can't fill the memory and no thread's line is lost.
            parts, self._parts = self._parts, []
            self._out.write("".join(parts))
            self._out.flush()

    def hold(self) -> None:
        """Buffer lines until `release`."""
        self._held = True

    def release(self) -> None:
        """Write the lines since `hold`. If the stream can't be written, they are lost."""
        self._held = False
        with suppress(OSError):  # the log itself can't be written, so the error can't be logged
            self.flush()


def _is_journal(out: TextIO) -> bool:
    """Return whether a stream is connected to systemd's journal. Source: systemd.exec(5), JOURNAL_STREAM."""
    try:
        status = os.fstat(out.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def log_observer(out: TextIO | LogOutput, log_format: str) -> ILogObserver:
    """Return an observer that writes to `out`. `auto` is text on a terminal and JSON otherwise."""
    if log_format == "auto":
        log_format = "text" if out.isatty() else "json"
    if log_format == "text":
        return FileLogObserver(cast("TextIO", out), formatEventAsClassicLogText)
    return _JSONLines(out)


@implementer(ILogObserver)
class _JSONLines:
    """Writes each event as one line."""

    def __init__(self, out: TextIO | LogOutput) -> None:
        self._out = out
        self._has_priorities = isinstance(out, LogOutput) and out.is_journal

    def __call__(self, event: LogEvent) -> None:
        line = _as_json_line(event)
        self._out.write(f"<{_PRIORITIES[event['log_level'].name]}>{line}" if self._has_priorities else line)
        self._out.flush()


def _as_json_line(event: LogEvent) -> str:
    """Return an event's line. The event field `record`, the members of a JSON object, is used without formatting."""
    seconds, milliseconds = divmod(int(event["log_time"] * 1000), 1000)
    head = _head(event["log_level"].name, event["log_namespace"])
    record = event.get("record") or _record(event)
    return f'{{"time":"{_timestamp(seconds)}.{milliseconds:03d}+00:00",{head},{record}}}\n'


def _record(event: LogEvent) -> str:
    members = {"message": formatEvent(event)}
    members |= {k: v for k, v in event.items() if not k.startswith("log_") and k not in _HEAD and _is_plain(v)}
    failure = event.get("log_failure")
    if failure is not None:
        members["traceback"] = failure.getTraceback()
    return _encode(members)[1:-1]


@lru_cache(maxsize=2)  # thousands of lines share a second
def _timestamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[: len("2000-01-01T00:00:00")]


@lru_cache(maxsize=128)
def _head(level: str, namespace: str) -> str:
    return _encode({"level": level, "logger": namespace})[1:-1]


def _is_plain(value: object) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, list | tuple) and all(isinstance(v, str) for v in value))
