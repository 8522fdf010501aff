"""Explains why a file can't be opened: its owner and mode, and the user of this process."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def access_problem(error: PermissionError) -> str:
    """Return a sentence about the owner of the file, or of the nearest accessible folder."""
    if not error.filename:
        return f"{error.strerror}"
    path = Path(os.fsdecode(error.filename))
    for place in (path, *path.parents):
        try:
            status = os.stat(place)
        except OSError:
            continue
        user, owner, mode = os.geteuid(), status.st_uid, stat.S_IMODE(status.st_mode)
        remedy = f"run the daemon as that user (`runAsUser: {owner}` in a manifest), or run `chown {user} {place}`"
        facts = f"{place.name or place} belongs to uid {owner} (mode {mode:04o}), but this process runs as uid {user}"
        return f"{path.name}: {error.strerror}: {facts}: {remedy}"
    return f"{path.name}: {error.strerror}"
