"""Builds kube-apiserver, etcd, aws-iam-authenticator and helm from the Go module proxy, into a cache outside the tree.

    python -m tests.e2e.assets [--find]

Prints the folders with the programs. If they are there already, that is all. The first build takes minutes and leaves
about 2 GB in Go's own caches. `--find` builds nothing: it fails if a program is missing. The environment chooses the
place (XDG_CACHE_HOME) and how many packages are compiled at once (GOFLAGS=-p=1).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.e2e.assets.programs import PROGRAMS, TOOLS, Program, cache_folder, missing_programs

#: The place where Go's own installer puts it, which not every login shell has on PATH.
_USUAL_GO = "/usr/local/go/bin/go"


def find_go() -> str | None:
    """Return the path of the Go command, None if there is none."""
    return shutil.which("go") or shutil.which(_USUAL_GO)


def build(go: str, program: Program, folder: Path) -> None:
    """Build a program as its go.mod and go.sum say. Raises `CalledProcessError`; Go has told the reason on stderr."""
    # Renamed at the end: a build that was cut off leaves nothing that looks like a program.
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
