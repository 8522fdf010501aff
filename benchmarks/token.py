"""Time whole authd-token processes. token_times.py describes the measurement.

This file has the name of a module of the standard library, which many others import, and Python searches a script's
folder first. So this file replaces itself by that module.
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
