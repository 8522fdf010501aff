"""Run `twistd` with arguments, and write the names of all imported modules to a file at the end.

Usage: list_modules.py FILE authd [OPTION...]
"""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.scripts.twistd import run


def main() -> None:
    """Run twistd."""
    path = Path(sys.argv.pop(1))
    reactor.addSystemEventTrigger("after", "shutdown", lambda: path.write_text("\n".join(sys.modules)))
    sys.exit(run())


if __name__ == "__main__":
    main()
