"""Messages on stderr: one line each, as text or as JSON. A library logs them as `authd.client` instead."""

from __future__ import annotations

import contextlib
import json

from authd.client.output.process import is_own_process
from authd.client.output.stdio import print_error

# Set once, from --log-format.
_style = {"json": False}


def use_json(chosen: bool) -> None:
    """Choose JSON objects with `level` and `msg`, as aws-iam-authenticator writes them."""
    _style["json"] = chosen


def fail(sentence: str) -> None:
    """Report the reason for a failure."""
    _write_line("error", sentence)


def warn(sentence: str) -> None:
    """Report a problem that doesn't prevent a token."""
    _write_line("warning", sentence)


def _write_line(level: str, sentence: str) -> None:
    line = " ".join(sentence.split())
    if not is_own_process():
        import logging

        logging.getLogger("authd.client").log(getattr(logging, level.upper()), line)
        return
    if _style["json"]:
        line = json.dumps({"level": level, "msg": line})
    else:
        line = f"authd-token: {'warning: ' if level == 'warning' else ''}{line}"
    # If stderr can't be written, the message has no other place.
    with contextlib.suppress(OSError):
        print_error(line)
