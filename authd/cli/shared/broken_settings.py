"""Finds paths in a settings file that can't be loaded.

Commands that diagnose such a file need the daemon's state directory and log.
"""

from __future__ import annotations

import re
from pathlib import Path

from authd.config.document.decoding import MAX_BYTES


def path_in_broken_file(config: str, name: str, default: str) -> str:
    """Return the path in the line that sets `name`, or `default` if there is none or the file can't be read."""
    line = re.compile(
        rf"^[ \t]+{name}[ \t]*:[ \t]*(['\"]?)(/[^'\"#\n]*?)\1[ \t]*(?:[ \t]#.*)?$", re.IGNORECASE | re.MULTILINE
    )
    try:
        with Path(config).open("rb") as stream:
            found = line.search(stream.read(MAX_BYTES).decode("utf-8", "replace"))
    except OSError:
        return default
    return default if found is None else found[2]
