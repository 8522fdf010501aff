"""Standard input, output and error, including closed, full and broken ones."""

from __future__ import annotations

import os

from authd.client.fast.errors import ClientError

_STDIN, _STDOUT, _STDERR = 0, 1, 2


def occupy_closed_streams() -> None:
    """Open the null device for closed streams, so that no file or socket gets their descriptors.

    Otherwise a warning could go into a cache file or into a connection to AWS.
    """
    # Read-only in place of stdout, so that printing a credential to a closed stdout fails.
    for stream, flags in ((_STDIN, os.O_RDONLY), (_STDOUT, os.O_RDONLY), (_STDERR, os.O_WRONLY)):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, flags)


def print_out(text: str) -> None:
    """Write a line to stdout, in UTF-8 for every locale. Raises ClientError."""
    try:
        _write(_STDOUT, text)
    except BrokenPipeError:
        raise ClientError("the output cannot be written: its reader has closed the pipe") from None
    except OSError as error:
        raise ClientError(f"the output cannot be written: {error.strerror}") from None


def print_error(text: str) -> None:
    """Write a line to stderr. Raises OSError."""
    _write(_STDERR, text)


def _write(stream: int, text: str) -> None:
    # sys.stdout and sys.stderr are unsuitable: with one closed, Python prints to the other one, and some locales
    # make printing fail.
    output = text.encode("utf-8", "backslashreplace") + b"\n"
    while output:
        output = output[os.write(stream, output) :]
