from __future__ import annotations

import hashlib
import zipfile

import pytest

from authd import __version__
from tools.release import check, pyz

WHEEL = f"authd-{__version__}-py3-none-any.whl"


@pytest.fixture
def dist(tmp_path):
    """A folder with every file of a release."""
    for name in check._FILES:
        (tmp_path / name.format(version=__version__)).write_text(name)
    with zipfile.ZipFile(tmp_path / "authd-token.pyz", "w") as archive:
        for minor in pyz.MINORS:
            archive.writestr(f"cpython-3{minor}/authd/__init__.pyc", b"")
    add_up(tmp_path)
    return tmp_path


def add_up(folder):
    files = [path for path in sorted(folder.iterdir()) if path.name != "SHA256SUMS"]
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(sums))


def test_a_complete_folder(dist):
    """A complete folder with checksums has no error."""
    assert list(check.dist_faults(dist)) == []


def test_missing_and_unknown_files(dist):
    """A missing file, and one that does not belong to a release, is an error."""
    (dist / WHEEL).rename(dist / "notes.txt")
    add_up(dist)
    missing, unknown = check.dist_faults(dist)
    assert missing == f"dist/{WHEEL} is missing: run `make deb`"
    assert unknown == "dist/notes.txt is no file of a release: remove it"


@pytest.mark.parametrize("text", ["changed", ""])
def test_checksums(dist, text):
    """A changed file, and one without a checksum, is an error."""
    if text:
        (dist / WHEEL).write_text(text)
    else:
        sums = (dist / "SHA256SUMS").read_text().splitlines(keepends=True)
        (dist / "SHA256SUMS").write_text("".join(line for line in sums if WHEEL not in line))
    assert list(check.dist_faults(dist)) == [f"dist/{WHEEL} differs from SHA256SUMS: run `make deb`"]


def test_bytecode(dist):
    """Missing bytecode for a supported Python in the single file is an error."""
    with zipfile.ZipFile(dist / "authd-token.pyz", "w") as archive:
        archive.writestr("cpython-311/authd/__init__.pyc", b"")
    add_up(dist)
    found = list(check.dist_faults(dist))
    assert len(found) == len(pyz.MINORS) - 1
    assert "no bytecode for Python 3.12: put python3.12 on PATH" in found[0]


def test_an_empty_folder(tmp_path):
    """In an empty folder every file is missing."""
    assert len(list(check.dist_faults(tmp_path))) == len(check._FILES)
