"""Build kubeadm, and checkers with the code of kops and Talos, from the Go module proxy into a cache outside the tree.

    python -m tests.guides.assets

Also copies the custom resources of Cluster API. The first build takes minutes and leaves about 4 GB in Go's own caches.
XDG_CACHE_HOME sets the place of the cache, and GOFLAGS=-p=1 the number of packages compiled at once.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.e2e.assets.__main__ import build, find_go
from tests.guides.assets.installers import CLUSTER_API, Manifests, caches, missing_installers


def copy(go: str, manifests: Manifests) -> None:
    """Copy the files of all modules. Raises `CalledProcessError` after Go has printed the reason."""
    told = subprocess.run(
        [go, "mod", "download", "-json", *manifests.patterns],
        cwd=manifests.module,
        env={"GOTOOLCHAIN": "local", **os.environ},
        stdout=subprocess.PIPE,
        check=True,
    )
    decoder, text = json.JSONDecoder(), told.stdout.decode().strip()
    unfinished = manifests.cached.with_name(f".{manifests.folder}.{os.getpid()}")
    unfinished.mkdir(parents=True)
    while text:
        module, end = decoder.raw_decode(text)
        text = text[end:].strip()
        for file in Path(module["Dir"]).glob(manifests.patterns[module["Path"]]):
            shutil.copyfile(file, unfinished / file.name)
    unfinished.rename(manifests.cached)


def main() -> int:
    """Build and copy the missing files, and return the exit status."""
    missing, go = missing_installers(), find_go()
    complete = not missing and CLUSTER_API.cached.exists()
    if not complete and go is None:
        print("Go is missing. Next: install it from https://go.dev/dl.", file=sys.stderr)
        return 1
    try:
        for program in missing:
            print(f"building {program.name} {program.version}", file=sys.stderr, flush=True)
            program.cached.parent.mkdir(parents=True, exist_ok=True)
            build(str(go), program, program.cached.parent)
        if not CLUSTER_API.cached.exists():
            copy(str(go), CLUSTER_API)
    except subprocess.CalledProcessError:
        print("The last program can't be built; Go's own messages are above.", file=sys.stderr)
        return 1
    print(caches())
    return 0


if __name__ == "__main__":
    sys.exit(main())
