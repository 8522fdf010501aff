"""Files of the state directory that are used only if nobody else could have written them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: Permission to write for the group or for everybody.
_WRITERS = 0o022


class Untrusted(Exception):
    """The file must not be used. The message is a sentence."""


def read_trusted(path: Path) -> tuple[bytes, float]:
    """Return the content of a file and the Unix time of its last change.

    Raises `OSError` if there is none. Raises `Untrusted` unless it is a regular file, and only root, this user or the
    owner of its folder may write the file and the folder.
    """
    folder = path.parent.stat()
    owners = {0, os.geteuid(), *([folder.st_uid] if os.geteuid() == 0 else [])}
    _check(folder, path.parent, owners)
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Untrusted(f"{path} is not a regular file")
        _check(status, path, owners)
        return file.read(), status.st_mtime


def _check(status: os.stat_result, path: Path, owners: set[int]) -> None:
    if status.st_uid not in owners:
        user = os.geteuid()
        raise Untrusted(f"{path} belongs to uid {status.st_uid}, but this process runs as uid {user}")
    if stat.S_IMODE(status.st_mode) & _WRITERS:
        mode = stat.S_IMODE(status.st_mode)
        raise Untrusted(f"users other than the owner can write {path} (mode {mode:04o}): run `chmod go-w {path}`")
