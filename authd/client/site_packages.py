"""The step from the bare interpreter of the fast path (`-I -S`) to one that finds installed packages."""

from __future__ import annotations

import sys
from pathlib import Path


def restore_site_packages() -> None:
    """Do what `-S` left out: find the virtual environment's or the system's packages, and those beside our own.

    `-I` stays in force: neither the working directory nor PYTHON* variables add anything.
    """
    if not sys.flags.no_site:
        return
    import site

    own = str(Path(__file__).parents[2])
    # Packages come after the standard library, wherever the fast path had to look first.
    sys.path[:] = [entry for entry in sys.path if entry != own]
    site.main()
    # Installed with `pip --user`, `--prefix` or `--target`: the packages that authd needs lie there too.
    if own not in sys.path:
        site.addsitedir(own)
