"""How events are written."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from authd.daemon.logs import log_observer

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


def test_machines_get_one_object_a_line() -> None:
    """An event is one line of JSON with its time, level, words and plain values, and nothing else of it."""
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


def test_people_get_text() -> None:
    """Text has the time and the words."""
    assert "something happened" in write(EVENT, "text")
    assert not write(EVENT, "text").startswith("{")


@pytest.mark.parametrize(("out", "is_json"), [(io.StringIO(), True), (Terminal(), False)])
def test_the_automatic_format_depends_on_the_reader(out: io.StringIO, is_json: bool) -> None:  # noqa: FBT001
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
    """A value with line feeds and escapes stays one line."""
    line = write({**EVENT, "what": 'x\n{"level":"info"}\x1b[31m\u2028'}, "json")
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert "\u2028" not in line


def test_values_do_not_replace_the_lines_own_members() -> None:
    """A value under a name of the line's own does not take its place."""
    assert json.loads(write({**EVENT, "level": "forged", "time": "forged"}, "json"))["level"] == "warn"
