"""Run `twistd` with lower limits in the webhook, so that tests take less time.

The limits are constants of `authd.daemon`. Everything else is unchanged.
"""

from __future__ import annotations

import sys

from twisted.scripts.twistd import run

from authd.daemon import listener
from authd.daemon.http import server as bounded_http

REQUEST_SECONDS = 1.0
MAX_CONNECTIONS = 12


def main() -> None:
    """Run twistd."""
    bounded_http.REQUEST_SECONDS = REQUEST_SECONDS
    listener.SWEEP_SECONDS = 0.1
    listener.MAX_CONNECTIONS = MAX_CONNECTIONS
    sys.exit(run())


if __name__ == "__main__":
    main()
