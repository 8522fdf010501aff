from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from authd import __version__

ROOT = Path(__file__).parents[2]
#: Files for the hosting service, which a release does not contain.
HOSTING = (".ci/", ".github/")


def tracked():
    """Return the paths of all tracked files."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("needs git and a clone of the repository")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).exists()]


def copied(folder, umask):
    """Copy all tracked files into a folder, with new modes and times."""
    for path in tracked():
        copy = folder / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, copy)
        copy.chmod((0o777 if (ROOT / path).stat().st_mode & 0o100 else 0o666) & ~umask)
    return folder


def build(source, target):
    """Build wheel and sdist of a source tree."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(target)], cwd=source, capture_output=True, check=True
    )
    return {path.name: path.read_bytes() for path in target.iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Two builds of the same files in two folders, with other times and another umask."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second-with-a-longer-name")]
    sources = [copied(folder / "tree", umask) for folder, umask in zip(folders, (0o022, 0o002), strict=True)]
    return [build(source, folder / "dist") for source, folder in zip(sources, folders, strict=True)]


def test_builds_are_reproducible(built):
    """Two builds of the same files have the same bytes, independent of folder, times and umask."""
    first, second = built
    assert sorted(first) == [f"authd-{__version__}-py3-none-any.whl", f"authd-{__version__}.tar.gz"]
    assert first == second


def test_content_of_the_sdist(built, tmp_path):
    """The sdist has every tracked file except those of the hosting service, and the metadata."""
    archive = tmp_path / "sdist.tar.gz"
    archive.write_bytes(built[0][f"authd-{__version__}.tar.gz"])
    expected = {path for path in tracked() if not path.startswith(HOSTING)} | {"PKG-INFO"}
    with tarfile.open(archive) as content:
        assert {name.partition("/")[2] for name in content.getnames()} == expected


def test_the_wheel_of_the_sdist(built, tmp_path):
    """The wheel built from the sdist is the wheel built from the clone."""
    archive = tmp_path / "sdist.tar.gz"
    archive.write_bytes(built[0][f"authd-{__version__}.tar.gz"])
    with tarfile.open(archive) as content:
        content.extractall(tmp_path, filter="data")
    wheel = f"authd-{__version__}-py3-none-any.whl"
    assert build(tmp_path / f"authd-{__version__}", tmp_path / "dist")[wheel] == built[0][wheel]
