"""Paths in a settings file that can't be used at the moment.

The commands that examine such a file still have to find the daemon's state directory and its log.
"""

from __future__ import annotations

import re
from pathlib import Path

from authd.config.document.decoding import MAX_BYTES


def path_in_broken_file(config: str, name: str, usual: str) -> str:
    """Return the value of a setting from a line of its own, `usual` if there is none or the file can't be read."""
    line = re.compile(
        rf"^[ \t]+{name}[ \t]*:[ \t]*(['\"]?)(/[^'\"#\n]*?)\1[ \t]*(?:[ \t]#.*)?$", re.IGNORECASE | re.MULTILINE
    )
    try:
        with Path(config).open("rb") as stream:
            found = line.search(stream.read(MAX_BYTES).decode("utf-8", "replace"))
    except OSError:
        return usual
    return usual if found is None else found[2]
