"""Runs a command, and turns its errors into messages and exit statuses."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from authd.cli.shared.errors import CommandError
from authd.client.output.stdio import occupy_closed_streams
from authd.core.errors import ConfigError

#: The exit status if settings, files, packages or the command line itself can't be used.
UNUSABLE = 2
_INTERRUPTED = 130
#: A full disk, a quota, a file that is too large, a failing device, and a closed stream.
_WRITE_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def run_reporting_errors(command: Callable[[], int], name: str) -> int:
    """Run a command and return the exit status. Errors are printed after the program's name. Raises `SystemExit`."""
    _open_closed_streams()
    try:
        try:
            return command()
        finally:
            sys.stdout.flush()  # here, so that a closed pipe raises BrokenPipeError
    except (CommandError, ConfigError) as error:
        _complain(str(error), name)
        return UNUSABLE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return 1
    except Exception as error:  # noqa: BLE001  # a traceback helps nobody here, and could show a token
        fault = _output_fault(error)
        _complain(fault or f"internal error ({type(error).__name__}{_place(error)}); please report it", name)
        return UNUSABLE


def _open_closed_streams() -> None:
    """Replace closed streams. Reading then finds no input, and printing fails with a message."""
    occupy_closed_streams()
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def _output_fault(error: Exception) -> str:
    """Return the message if standard output can't be written, such as on a full disk, and discard what is left."""
    try:
        sys.stdout.flush()  # fails again, unless Python runs unbuffered
    except OSError as failed:
        error = failed
        _discard_output()
    else:
        if not isinstance(error, OSError) or error.filename is not None or error.errno not in _WRITE_FAULTS:
            return ""
    return f"the output can't be written: {error.strerror}"


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the interpreter's last flush


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" at {trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}"


def _complain(message: str, name: str) -> None:
    for line in message.splitlines():
        print(f"{name}: {line}", file=sys.stderr)
