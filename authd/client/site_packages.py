"""Makes installed packages importable in the bare interpreter of the fast path (`-I -S`)."""

from __future__ import annotations

import sys
from pathlib import Path


def restore_site_packages() -> None:
    """Add the packages of the virtual environment or system, and those beside our own, to `sys.path`.

    `-I` stays in force: the working directory and PYTHON* variables add nothing.
    """
    if not sys.flags.no_site or not Path(__file__).is_file():
        return  # the single file has packages of its own
    import site

    own = str(Path(__file__).parents[2])
    # Packages must come after the standard library.
    sys.path[:] = [entry for entry in sys.path if entry != own]
    site.main()
    # `pip --user`, `--prefix` and `--target` install the dependencies into the same folder.
    if own not in sys.path:
        site.addsitedir(own)
