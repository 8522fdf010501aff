"""What authd-token says on stderr: one line each, as text or as JSON."""

from __future__ import annotations

import contextlib
import json

from authd.client.stdio import print_aside

# Set once, from --log-format.
_style = {"json": False}


def use_json(chosen: bool) -> None:
    """Write the lines that follow as JSON objects with `level` and `msg`, as aws-iam-authenticator does."""
    _style["json"] = chosen


def fail(sentence: str) -> None:
    """Say why there is no token."""
    _say("error", sentence)


def warn(sentence: str) -> None:
    """Say what was wrong though there is a token."""
    _say("warning", sentence)


def _say(level: str, sentence: str) -> None:
    line = " ".join(sentence.split())
    if _style["json"]:
        line = json.dumps({"level": level, "msg": line})
    else:
        line = f"authd-token: {'warning: ' if level == 'warning' else ''}{line}"
    # Where nobody can be told, there is nobody to tell that either.
    with contextlib.suppress(OSError):
        print_aside(line)
