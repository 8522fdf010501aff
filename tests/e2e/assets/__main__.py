"""Build kube-apiserver, etcd, aws-iam-authenticator and helm from the Go module proxy, into a cache outside the tree.

    python -m tests.e2e.assets [--find]

Prints the folders of the programs. Builds only missing ones. The first build takes minutes and leaves about 2 GB in
Go's own caches. `--find` builds nothing, and fails if a program is missing. XDG_CACHE_HOME sets the place of the cache,
and GOFLAGS=-p=1 the number of packages compiled at once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.e2e.assets.programs import PROGRAMS, TOOLS, Program, cache_folder, missing_programs

#: The path by Go's installer, which is not on every PATH.
_USUAL_GO = "/usr/local/go/bin/go"


def find_go() -> str | None:
    """Return the path of the Go command, None if there is none."""
    return shutil.which("go") or shutil.which(_USUAL_GO)


def build(go: str, program: Program, folder: Path) -> None:
    """Build a program with the versions of its go.mod. Raises `CalledProcessError` after Go has printed the reason."""
    # Renamed at the end, so that an interrupted build leaves no incomplete program.
    unfinished = folder / f".{program.name}.{os.getpid()}"
    flags = ["-trimpath", "-mod=readonly", f"-ldflags={program.linker_flags}"]
    try:
        subprocess.run(
            [go, "build", *flags, "-o", str(unfinished), program.package],
            cwd=program.module,
            env={"GOTOOLCHAIN": "local", **os.environ, "CGO_ENABLED": "0"},
            stdout=sys.stderr,
            check=True,
        )
        unfinished.replace(folder / program.name)
    finally:
        unfinished.unlink(missing_ok=True)


def main() -> int:
    """Build the missing programs, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.assets", description=__doc__.splitlines()[0])
    parser.add_argument("--find", action="store_true", help="build nothing, and fail if a program is missing")
    only_find = parser.parse_args().find
    go = None if only_find else find_go()
    for programs in (PROGRAMS, TOOLS):
        missing = missing_programs(programs)
        if missing and go is None:
            names = ", ".join(program.name for program in missing)
            hint = "run `make e2e`, which builds them with Go" if only_find else "install Go from https://go.dev/dl"
            place = cache_folder(programs)
            print(f"{names}: not in {place}. Next: {hint}, or set KUBEBUILDER_ASSETS.", file=sys.stderr)
            return 1
        try:
            _build_all(str(go), missing, cache_folder(programs))
        except subprocess.CalledProcessError:
            print("The last program can't be built; Go's own messages are above.", file=sys.stderr)
            return 1
        print(cache_folder(programs))
    return 0


def _build_all(go: str, missing: list[Program], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, program in enumerate(missing, start=1):
        print(f"building {program.name} {program.version} ({number} of {len(missing)})", file=sys.stderr, flush=True)
        build(go, program, folder)


if __name__ == "__main__":
    sys.exit(main())
