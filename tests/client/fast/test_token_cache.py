from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.client.fast import token_cache
from authd.client.fast.token_cache import (
    HIT,
    MISS,
    REFUSED,
    UNTRUSTED,
    Cached,
    find_token,
    fingerprint,
    parent_process,
    render_token,
    served_line,
    token_name,
)

NOW = 1_800_000_000
KEY = "ab" * 32
FIRST, OTHER = b"100 5000", b"101 5001"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "cache"
    path.mkdir(mode=0o700)
    return path


def _write(
    folder: Path, *, minted: int = NOW, expires_at: int = NOW + 840, watched: bytes = b"", key: str = KEY
) -> Path:
    path = folder / token_name(KEY)
    path.write_bytes(render_token(key, minted, expires_at, "k8s-aws-v1.token", watched) + served_line(FIRST))
    path.chmod(0o600)
    return path


def _find(folder: Path, *, now: int = NOW, requester: bytes = OTHER) -> Cached:
    return find_token(os.fsencode(folder), KEY, now, requester)


def test_first_request_of_another_process(folder: Path) -> None:
    """The first request of any process gets the cached token."""
    _write(folder)
    for requester in (OTHER, b"102 1", b"10 5000", b"100 50"):
        found = _find(folder, requester=requester)
        assert (found.outcome, found.token, found.expires_at) == (HIT, "k8s-aws-v1.token", NOW + 840)


def test_second_request_of_a_process(folder: Path) -> None:
    """The second request of any process, including the one that the token was made for, means a refusal."""
    _write(folder)
    assert _find(folder, requester=FIRST).outcome == REFUSED
    assert _find(folder, requester=OTHER).outcome == HIT
    assert _find(folder, requester=OTHER).outcome == REFUSED
    assert _find(folder, requester=b"103 1").outcome == HIT


def test_second_request_near_the_expiry(folder: Path) -> None:
    """A second request near the token's expiry is a miss, not a refusal."""
    _write(folder)
    assert _find(folder, requester=FIRST, now=NOW + 840 - 60).outcome == MISS
    assert _find(folder, requester=FIRST, now=NOW + 840 - 61).outcome == REFUSED


@pytest.mark.parametrize(
    ("now", "outcome"), [(NOW - 6, MISS), (NOW - 5, HIT), (NOW + 779, HIT), (NOW + 780, MISS), (NOW * 2, MISS)]
)
def test_time_limits(folder: Path, now: int, outcome: str) -> None:
    """A token is used from its signing until a minute before its expiry, and not if the clock was set back."""
    _write(folder)
    assert _find(folder, now=now).outcome == outcome


def test_watched_files(folder: Path, tmp_path: Path) -> None:
    """If a file that the token depends on is changed, deleted or created, the token is not used."""
    login, none = tmp_path / "login.json", tmp_path / "none"
    login.write_text("one")
    _write(folder, watched=fingerprint(os.fsencode(login)) + fingerprint(os.fsencode(none)))
    assert _find(folder, requester=b"1 1").outcome == HIT
    none.write_text("x")
    assert _find(folder, requester=b"1 2").outcome == MISS
    none.unlink()
    assert _find(folder, requester=b"1 3").outcome == HIT
    login.write_text("other")
    assert _find(folder, requester=b"1 4").outcome == MISS
    login.unlink()
    assert _find(folder, requester=b"1 5").outcome == MISS


def test_missing_files(folder: Path, tmp_path: Path) -> None:
    """A missing file or folder is a miss."""
    assert _find(folder).outcome == MISS
    assert _find(tmp_path / "nowhere").outcome == MISS


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666, 0o610])
def test_file_accessible_to_others(folder: Path, mode: int) -> None:
    """A token file that others could read or write is not used."""
    _write(folder).chmod(mode)
    found = _find(folder)
    assert found.outcome == UNTRUSTED
    assert "accessible to other users" in found.problem


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777, 0o701])
def test_folder_accessible_to_others(folder: Path, mode: int) -> None:
    """A folder that others can enter is not used."""
    _write(folder)
    folder.chmod(mode)
    assert _find(folder).outcome == UNTRUSTED


def test_file_of_another_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or folder of another user is not used."""
    _write(folder)
    monkeypatch.setattr(token_cache.posix, "geteuid", lambda: os.geteuid() + 1)
    found = _find(folder)
    assert found.outcome == UNTRUSTED
    assert "another user" in found.problem


def test_links_pipes_and_folders(folder: Path, tmp_path: Path) -> None:
    """A link, pipe or folder in place of a token file, or a link in place of the folder, is not used."""
    path = _write(folder)
    moved = path.rename(tmp_path / "moved")
    path.symlink_to(moved)
    assert _find(folder).outcome == UNTRUSTED
    path.unlink()
    os.mkfifo(path, 0o600)
    assert _find(folder).outcome == UNTRUSTED
    path.unlink()
    path.mkdir(mode=0o700)
    assert _find(folder).outcome == UNTRUSTED
    path.rmdir()
    _write(folder)
    assert _find(folder).outcome == HIT
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert _find(link).outcome == UNTRUSTED


def test_file_of_another_key(folder: Path) -> None:
    """A file that was made for another key is not used."""
    _write(folder, key="cd" * 32)
    assert _find(folder).outcome == UNTRUSTED


def test_full_file(folder: Path) -> None:
    """The list of served processes is bounded: a full file is a miss."""
    with _write(folder).open("ab") as file:
        file.write(served_line(b"1 1") * 40_000)
    assert _find(folder).outcome == MISS


@given(data=st.data())
def test_damaged_file(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A damaged file gives the written token or none, and never raises."""
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = _write(folder)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(content)))
        content[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(content)
    found = _find(folder)
    assert found.outcome in (HIT, MISS, REFUSED, UNTRUSTED)
    if found.outcome == HIT:
        assert (found.token, found.expires_at) == ("k8s-aws-v1.token", NOW + 840)


def test_parent_process() -> None:
    """A parent is identified by its process ID, start time and executable."""
    number, started, program = parent_process().split(b" ")
    assert int(number) == os.getppid()
    assert int(started) > 0
    assert int(program) == Path(f"/proc/{os.getppid()}/exe").stat().st_ino


def test_repr(folder: Path) -> None:
    """The repr of a cached token doesn't show it."""
    _write(folder)
    assert "k8s-aws" not in repr(_find(folder))
