"""The audit log: one JSON record per decision in a file of its own. docs/audit.schema.json is its schema.

Records are appended without buffering. On a full disk, they are kept in memory up to a bound and written later.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from contextlib import suppress
from pathlib import Path

from twisted.logger import Logger

_log = Logger(namespace="authd.audit")

#: The version of the schema. It changes if a field is removed or changes its meaning.
SCHEMA_VERSION = 1
#: Rotated files are `FILE.1`, the newest, to `FILE.9`.
_BACKUPS = 9
#: Largest size of the records in memory, in bytes.
_MAX_WAITING = 1 << 20


class AuditLog:
    """Appends records to a file. Rotates it at `max_bytes`, or follows a rotation by rename at `reopen`."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._unfinished = b""
        self._size = 0
        self._is_regular = True  # not /dev/stdout, for example, which must not be renamed
        self._descriptor = -1
        self._problem = ""
        self.lost = 0

    def open(self) -> None:
        """Open the file, and create it if it is missing. Raises `OSError`."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        self._descriptor = os.open(self._path, flags, 0o600)
        status = os.fstat(self._descriptor)
        self._size, self._is_regular = status.st_size, stat.S_ISREG(status.st_mode)

    def add(self, record: str) -> None:
        """Add one line, without its newline, to the next `flush`."""
        line = record.encode() + b"\n"
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        while self._waiting_bytes > _MAX_WAITING:
            self._waiting_bytes -= len(self._waiting.popleft())
            self.lost += 1

    def flush(self) -> None:
        """Write all records. Never raises: an error is logged once, and the next flush continues."""
        if not self._waiting and not self._unfinished:
            return
        try:
            if self._descriptor < 0:
                self.open()
            while self._unfinished or self._waiting:
                self._write()
        except OSError as error:
            problem = f"{self._path}: audit records can't be written: {error.strerror}"
            if problem != self._problem:
                _log.error("{problem}; they wait in memory, up to 1 MiB", problem=problem)
            self._problem = problem
            return
        if self._problem:
            _log.info(
                "audit records are written again to {path}; {lost} were lost", path=str(self._path), lost=self.lost
            )
        self._problem = ""
        if self._size >= self._max_bytes and self._is_regular:
            self._rotate()

    def _write(self) -> None:
        data = b"".join((self._unfinished, *self._waiting))
        written = os.write(self._descriptor, data)
        self._size += written
        # A disk may fill up within a record. The rest of that record is written first the next time, never dropped.
        head, newline, _ = data[written:].partition(b"\n")
        self._unfinished = head + newline if written and data[written - 1 : written] != b"\n" else b""
        self._waiting = deque(data[written + len(self._unfinished) :].splitlines(keepends=True))
        self._waiting_bytes = sum(map(len, self._waiting))

    def reopen(self) -> None:
        """Open the path again. After a rename, the next records go to a new file."""
        self.flush()
        self.close()
        self.flush()

    def close(self) -> None:
        """Close the file. A later flush opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def problem(self) -> str:
        """Return the reason why records can't be written, or an empty text."""
        return self._problem

    def _rotate(self) -> None:
        """Rename the files. If that fails, the file grows, and the next attempt follows after `max_bytes` more."""
        try:
            for number in range(_BACKUPS, 0, -1):
                older = self._path.with_name(f"{self._path.name}.{number}")
                newer = self._path.with_name(f"{self._path.name}.{number - 1}") if number > 1 else self._path
                with suppress(FileNotFoundError):
                    newer.replace(older)
        except OSError as error:
            self._size = 0
            _log.error(
                "{path}: the audit log can't be rotated: {reason}; records are still appended: let the daemon's user "
                "rename files in its folder, and send SIGHUP",
                path=str(self._path),
                reason=str(error.strerror),
            )
            return
        self.close()
