"""Check that the tree is ready for a release: versions, changelog, pins and files agree.

    python tools/release/check.py

Prints each fault with its place and the next step. Exits with 1 if there is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from authd import __version__

ROOT = Path(__file__).parents[2]
#: Files that name the version, and the text in front of it.
_NAMED = (
    ("deploy/helm/authd/Chart.yaml", "version: "),
    ("deploy/helm/authd/Chart.yaml", "appVersion: "),
    ("example.yaml", "image: localhost/authd:"),
    ("Containerfile", "localhost/authd:"),
)


def faults() -> Iterator[str]:
    """Yield each fault as one sentence."""
    for name, before in _NAMED:
        versions = set(re.findall(rf"(?m){re.escape(before)}([0-9][\w.]*)", (ROOT / name).read_text("utf-8")))
        if versions != {__version__}:
            yield f"{name}: `{before}` names {', '.join(sorted(versions)) or 'no version'}: write {__version__}"
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    if not re.search(rf"(?m)^## \[{re.escape(__version__)}\] - \d{{4}}-\d{{2}}-\d{{2}}$", changelog):
        yield f"CHANGELOG.md: {__version__} has no date: write `## [{__version__}] - YYYY-MM-DD`"
    if re.search(r"(?m)^## \[Unreleased\]\n+### ", changelog):
        yield f"CHANGELOG.md: there are entries under Unreleased: move them to {__version__}"
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    yield from (
        f"pyproject.toml: {name} is at example.com: name its address"
        for name, url in urls.items()
        if "example.com" in url
    )
    status = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True)
    if status.stdout:
        yield f"{status.stdout.splitlines()[0][3:]}: the tree has changes that are not committed: commit them"
    tags = subprocess.run(["git", "tag", "--points-at", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    if f"v{__version__}" not in tags.stdout.split():
        yield f"the commit has no tag v{__version__}: run `git tag --sign v{__version__}`"


def main() -> int:
    """Print every fault, and return the exit status."""
    found = list(faults())
    for fault in found:
        print(f"release-check: {fault}")
    if not found:
        print(f"release-check: {__version__} is ready: upload dist/ and push the tag")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
