"""`python -m authd.client` is authd-token."""

from __future__ import annotations

import sys

from authd.client.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
