"""Time whole authd-token processes; see token_times.py.

This file has the name of a module of the standard library, which nearly every import leads to, and Python looks into
a script's own folder first. So it hands that module to whoever asks, be it itself or a script beside it.
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
