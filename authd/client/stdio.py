"""Standard input, output and error as they are: closed, full, or read by nobody."""

from __future__ import annotations

import os

from authd.client.fast.errors import ClientError

_STDIN, _STDOUT, _STDERR = 0, 1, 2


def occupy_closed_streams() -> None:
    """Open the null device in the place of closed streams, so that no file or socket gets their numbers.

    Otherwise a warning might be written into a cache file or into a connection to AWS.
    """
    # Not for writing where stdout was: whoever prints a credential has to learn that it goes nowhere.
    for stream, flags in ((_STDIN, os.O_RDONLY), (_STDOUT, os.O_RDONLY), (_STDERR, os.O_WRONLY)):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, flags)


def print_out(text: str) -> None:
    """Write a line to stdout, in UTF-8 whatever the locale; raise ClientError where that fails."""
    try:
        _write(_STDOUT, text)
    except BrokenPipeError:
        raise ClientError("nobody reads the output") from None
    except OSError as error:
        raise ClientError(f"the output cannot be written: {error.strerror}") from None


def print_aside(text: str) -> None:
    """Write a line to stderr; raise OSError."""
    _write(_STDERR, text)


def _write(stream: int, text: str) -> None:
    # Not by sys.stdout and sys.stderr: where one is closed, Python prints to the other, and to some locales nothing.
    output = text.encode("utf-8", "backslashreplace") + b"\n"
    while output:
        output = output[os.write(stream, output) :]
