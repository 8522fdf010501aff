"""Run an installed script with arguments, as in an installation without the extra `otel`."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder


class _Missing(MetaPathFinder):
    def find_spec(self, fullname: str, _path: Sequence[str] | None, _target: object = None) -> None:
        if fullname.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


if __name__ == "__main__":
    sys.meta_path.insert(0, _Missing())
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
