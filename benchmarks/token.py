"""Time whole authd-token processes. token_times.py describes the measurement.

This file has the name of a standard module, which nearly every import needs, and Python searches a script's own folder
first. So this file gives that module to every importer.
"""

from __future__ import annotations

import sys

_PATH = list(sys.path)
sys.path[:] = [entry for entry in sys.path if entry not in ("", __file__.rpartition("/")[0])]
sys.modules.pop("token", None)
import token  # noqa: E402, F401 -- now the standard library's

sys.path[:] = _PATH

if __name__ == "__main__":
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from benchmarks.token_times import main

    sys.exit(main())
