"""Check that the tree and dist/ are ready for a release: versions, changelog, checksums and files agree.

    python -m tools.release.check

Prints each error with its place and the next step. Exits with 1 if there is one.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from authd import __version__
from tools.release import pyz

ROOT = Path(__file__).parents[2]
#: Files that contain the version, and the text in front of it.
_NAMED = (
    ("deploy/helm/authd/Chart.yaml", "version: "),
    ("deploy/helm/authd/Chart.yaml", "appVersion: "),
    ("example.yaml", "image: localhost/authd:"),
    ("Containerfile", "localhost/authd:"),
)

#: The files of a release. The Debian package is built once for each architecture. One of them is enough here.
_FILES = (
    "authd-{version}-py3-none-any.whl",
    "authd-{version}.tar.gz",
    "authd-token.pyz",
    "authd.cdx.json",
    "authd-otel.cdx.json",
    "authd_{version}_amd64.deb",
    "kubectl-authd.tar.gz",
    "SHA256SUMS",
)


def faults() -> Iterator[str]:
    """Yield each error as one sentence."""
    yield from tree_faults()
    yield from dist_faults(ROOT / "dist")


def dist_faults(folder: Path) -> Iterator[str]:
    """Yield the errors of the built files: missing or unknown files, wrong checksums, missing bytecode."""
    expected = {name.format(version=__version__) for name in _FILES}
    found = {path.name: path for path in folder.glob("*")}
    yield from (f"dist/{name} is missing: run `make deb`" for name in sorted(expected - found.keys()))
    found.pop("SHA256SUMS.asc", None)  # the signature
    yield from (f"dist/{name} is no file of a release: remove it" for name in sorted(found.keys() - expected))
    if sums := found.pop("SHA256SUMS", None):
        listed = {line.split()[1]: line.split()[0] for line in sums.read_text("utf-8").splitlines()}
        for name, path in sorted(found.items()):
            if listed.get(name) != hashlib.sha256(path.read_bytes()).hexdigest():
                yield f"dist/{name} differs from SHA256SUMS: run `make deb`"
    if single := found.get("authd-token.pyz"):
        with zipfile.ZipFile(single) as archive:
            tags = {name.partition("/")[0] for name in archive.namelist()}
        for minor in (each for each in pyz.MINORS if f"cpython-3{each}" not in tags):
            next_step = f"put python3.{minor} on PATH, and run `make deb`"
            yield f"dist/authd-token.pyz has no bytecode for Python 3.{minor}: {next_step}"


def tree_faults() -> Iterator[str]:
    """Yield the errors of the source tree."""
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
    """Print every error, and return the exit status."""
    found = list(faults())
    for fault in found:
        print(f"release-check: {fault}")
    if not found:
        print(f"release-check: {__version__} is ready: upload dist/ and push the tag")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
