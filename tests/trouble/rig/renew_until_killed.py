"""Renew the certificate of a state directory, and get killed before one of its steps.

Usage: renew_until_killed.py FOLDER STEP

A step is an audit event before Python opens, renames or removes a file in the folder, or the folder itself. The process
ends by SIGKILL before the step with that number, counted from 0, or normally if there are fewer.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from authd.state.certificate_store import StateFiles


def main() -> None:
    """Renew the certificate."""
    files = StateFiles(folder=Path(sys.argv[1]))
    authority = files.read_authority()
    left = int(sys.argv[2])

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(sys.argv[1]):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(count)
    files.issue_leaf(authority, ("localhost", "127.0.0.1", "::1"), datetime.now(UTC))


main()
