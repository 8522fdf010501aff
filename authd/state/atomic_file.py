"""Reads files without blocking, and replaces them atomically."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_PRIVATE = 0o600
_NOT_REGULAR = "it is not a regular file"


class NotRegularError(OSError):
    """The path is a pipe, a socket or a device. Reading could block for ever, and writing would replace it."""


def read_regular(path: Path, limit: int = -1) -> bytes:
    """Read a regular file, up to `limit` bytes if it is given. Raises `OSError`: `NotRegularError` for other kinds."""
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NotRegularError(errno.EINVAL, _NOT_REGULAR, str(path))
        return file.read(limit)


def write_atomically(path: Path, content: bytes, mode: int = _PRIVATE) -> None:
    """Replace a file atomically and durably: readers see the old content or the new, also after a crash.

    If root writes it, the file gets the owner of its folder, so that the service's user can read it. Raises `OSError`:
    `NotRegularError` for a pipe, a socket or a device, such as /dev/null, which no file may replace.
    """
    _refuse_special(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if os.geteuid() == 0:
                folder = path.parent.stat()
                os.fchown(file.fileno(), folder.st_uid, folder.st_gid)
            os.fsync(file.fileno())
        os.replace(temporary, path)  # mkstemp returns text, not a Path
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync(path.parent)


def write_if_changed(path: Path, content: bytes) -> bool:
    """Replace a file as `write_atomically` does, unless it has that content. Returns whether it was written."""
    if path.is_file() and read_regular(path) == content:
        return False
    write_atomically(path, content)
    return True


def _refuse_special(path: Path) -> None:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return  # the file is missing, or writing will fail
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
        raise NotRegularError(errno.EINVAL, _NOT_REGULAR, str(path))


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _sync(folder: Path) -> None:
    """Flush a folder's entries to the disk."""
    with suppress(OSError):  # some network file systems don't support it, but make renames durable themselves
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
