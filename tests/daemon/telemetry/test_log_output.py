"""The format of log lines."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from authd.daemon.telemetry.log_output import LogOutput, log_observer

EVENT: dict[str, Any] = {
    "log_time": 1_772_366_400.25,
    "log_level": LogLevel.warn,
    "log_namespace": "authd.test",
    "log_source": object(),
    "log_format": "{what} happened",
    "what": "something",
    "count": 3,
    "names": ["a", "b"],
    "hidden": object(),
    "mixed": ["a", object()],
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def write(event: dict[str, Any], log_format: str, out: io.StringIO | None = None) -> str:
    out = out or io.StringIO()
    log_observer(out, log_format)(event)
    return out.getvalue()


def test_json_has_one_object_per_line() -> None:
    """An event is one line of JSON with its time, level, message and plain values only."""
    line = write(EVENT, "json")
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "time": "2026-03-01T12:00:00.250+00:00",
        "level": "warn",
        "logger": "authd.test",
        "message": "something happened",
        "what": "something",
        "count": 3,
        "names": ["a", "b"],
    }


def test_text_has_time_and_message() -> None:
    """Text has the time and the message."""
    assert "something happened" in write(EVENT, "text")
    assert not write(EVENT, "text").startswith("{")


@pytest.mark.parametrize(("out", "is_json"), [(io.StringIO(), True), (Terminal(), False)])
def test_auto_is_text_on_a_terminal(out: io.StringIO, is_json: bool) -> None:
    """A terminal gets text, everything else JSON."""
    assert write(EVENT, "auto", out).startswith("{") == is_json


def test_a_failure_has_its_traceback() -> None:
    """A failure's traceback is a member of the object, in the same line."""
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError:
        line = write({**EVENT, "log_failure": Failure()}, "json")
    assert "ZeroDivisionError: by zero" in json.loads(line)["traceback"]
    assert line.count("\n") == 1


def test_control_characters_cannot_forge_lines() -> None:
    """A value with line feeds and escape characters stays in one line."""
    line = write({**EVENT, "what": 'x\n{"level":"info"}\x1b[31m\u2028'}, "json")
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert "\u2028" not in line


def test_values_do_not_replace_standard_members() -> None:
    """A value cannot replace a standard member of the same name."""
    assert json.loads(write({**EVENT, "level": "forged", "time": "forged"}, "json"))["level"] == "warn"


class Disk(io.StringIO):
    """A file that counts its writes, and may be full."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.full = False

    def write(self, text: str) -> int:
        self.writes += 1
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_held_lines_are_written_together(log_format: str) -> None:
    """Held lines are written in order and together at `release`. Other lines are written at once."""
    disk = Disk()
    output = LogOutput(disk)
    observe = log_observer(output, log_format)
    observe({**EVENT, "what": "first"})
    assert "first happened" in disk.getvalue()
    output.hold()
    observe({**EVENT, "what": "second"})
    observe({**EVENT, "what": "third"})
    assert "second" not in disk.getvalue()
    output.release()
    assert disk.writes == 2
    observe({**EVENT, "what": "fourth"})
    happened = [disk.getvalue().index(f"{what} happened") for what in ("first", "second", "third", "fourth")]
    assert happened == sorted(happened)
    assert len(disk.getvalue().splitlines()) == 4


def test_a_full_disk_is_tolerated() -> None:
    """On a full disk `release` does not raise and memory does not grow. Later lines are written again."""
    disk = Disk()
    output = LogOutput(disk)
    observe = log_observer(output, "json")
    disk.full = True
    output.hold()
    observe(EVENT)
    output.release()
    with pytest.raises(OSError, match="No space"):
        observe(EVENT)  # without `hold`, the publisher gets the error
    disk.full = False
    observe({**EVENT, "what": "later"})
    assert len(disk.getvalue().splitlines()) == 1
    assert "later happened" in disk.getvalue()


def test_the_stream_tells_whether_it_is_a_terminal() -> None:
    """`auto` depends on the stream's `isatty`."""
    assert LogOutput(Terminal()).isatty()
    assert not LogOutput(io.StringIO()).isatty()


def test_characters_outside_the_encoding_are_escaped() -> None:
    """In a locale without UTF-8, a line with other characters is written with escapes. An error would lose the line."""
    stream = io.BytesIO()
    output = LogOutput(io.TextIOWrapper(stream, encoding="ascii"))
    output.hold()
    output.write("username=ren\u00e9 \ud800\n")
    output.release()
    assert stream.getvalue() == b"username=ren\\xe9 \\ud800\n"


def test_lines_in_the_journal_have_priorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines begin with their priority only if the stream is connected to systemd's journal."""
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        observer = log_observer(LogOutput(stream), "json")
        for level in (LogLevel.info, LogLevel.warn, LogLevel.error, LogLevel.critical):
            observer({"log_level": level, "log_namespace": "authd.test", "log_time": 0.0, "log_format": "text"})
        stream.seek(0)
        lines = stream.read().splitlines()
        assert [line[:4] for line in lines] == ["<6>{", "<4>{", "<3>{", "<2>{"]
        monkeypatch.setenv("JOURNAL_STREAM", "1:1")
        assert not LogOutput(stream).is_journal
