"""Reads the log's lines from files, standard input or the journal."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import cast

from authd.cli.shared.errors import CommandError

#: The name that stands for standard input.
STANDARD_INPUT = "-"
#: The first bytes of a gzip file. Source: RFC 1952, section 2.3.1.
_GZIP = b"\x1f\x8b"


def file_lines(files: Sequence[str]) -> Iterator[str]:
    """Yield the lines of files. Raises `CommandError` if one can't be read."""
    for file in files:
        try:
            if file == STANDARD_INPUT:
                yield from _decoded(cast("BufferedReader", sys.stdin.buffer))
            else:
                with Path(file).open("rb") as stream:
                    yield from _decoded(stream)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise CommandError(f"{file}: the compressed log is damaged or incomplete") from None
        except OSError as error:
            raise CommandError(f"{file}: the log can't be read: {error.strerror}; try it with sudo") from None


def _decoded(stream: BufferedReader) -> Iterator[str]:
    """Yield lines as text, decompressed if logrotate or another program has compressed them.

    Bytes that are not UTF-8 are replaced, because other programs may write to the log too.
    """
    lines: Iterable[bytes] = gzip.GzipFile(fileobj=stream) if stream.peek(2)[:2] == _GZIP else stream
    for line in lines:
        yield line.decode("utf-8", "replace")


def journal_lines(unit: str, since: datetime | None) -> Iterator[str]:
    """Yield the messages of a unit in the journal. Raises `CommandError` if there is no journal."""
    program = shutil.which("journalctl")
    if program is None:
        raise CommandError("there is no journalctl here: name the log with --file FILE, or pipe it in with --file -")
    command = [program, "--unit", unit, "--output", "cat", "--no-pager", "--quiet"]
    if since is not None:
        command += ["--since", f"@{int(since.timestamp())}"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as journal:
        assert journal.stdout is not None
        assert journal.stderr is not None
        yield from journal.stdout
        message = journal.stderr.read().strip()
    if journal.returncode:
        raise CommandError(f"journalctl failed: {message or journal.returncode}; try it with sudo, or give --file")
