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
ME, OTHER = b"100 5000", b"101 5001"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "cache"
    path.mkdir(mode=0o700)
    return path


def _keep(
    folder: Path, *, minted: int = NOW, expires_at: int = NOW + 840, watched: bytes = b"", key: str = KEY
) -> Path:
    path = folder / token_name(KEY)
    path.write_bytes(render_token(key, minted, expires_at, "k8s-aws-v1.token", watched) + served_line(ME))
    path.chmod(0o600)
    return path


def _find(folder: Path, *, now: int = NOW, requester: bytes = OTHER) -> Cached:
    return find_token(os.fsencode(folder), KEY, now, requester)


def test_another_process_shares_the_token(folder: Path) -> None:
    """Whoever asks for the first time gets the token that is there."""
    _keep(folder)
    for requester in (OTHER, b"102 1", b"10 5000", b"100 50"):
        found = _find(folder, requester=requester)
        assert (found.outcome, found.token, found.expires_at) == (HIT, "k8s-aws-v1.token", NOW + 840)


def test_asking_again_means_that_it_was_refused(folder: Path) -> None:
    """The process that the token was made for, and every one that has got it, is told that it was refused."""
    _keep(folder)
    assert _find(folder, requester=ME).outcome == REFUSED
    assert _find(folder, requester=OTHER).outcome == HIT
    assert _find(folder, requester=OTHER).outcome == REFUSED
    assert _find(folder, requester=b"103 1").outcome == HIT


def test_an_old_token_is_no_refusal(folder: Path) -> None:
    """Who asks again because the token came near its end isn't told that it was refused."""
    _keep(folder)
    assert _find(folder, requester=ME, now=NOW + 840 - 60).outcome == MISS
    assert _find(folder, requester=ME, now=NOW + 840 - 61).outcome == REFUSED


@pytest.mark.parametrize(
    ("now", "outcome"), [(NOW - 6, MISS), (NOW - 5, HIT), (NOW + 779, HIT), (NOW + 780, MISS), (NOW * 2, MISS)]
)
def test_the_clock_decides(folder: Path, now: int, outcome: str) -> None:
    """A token is used from its making until shortly before its end; a clock that went back ends it too."""
    _keep(folder)
    assert _find(folder, now=now).outcome == outcome


def test_a_watched_file_decides(folder: Path, tmp_path: Path) -> None:
    """A change of a file that the token depends on, its vanishing or its appearing ends the token."""
    login, none = tmp_path / "login.json", tmp_path / "none"
    login.write_text("one")
    _keep(folder, watched=fingerprint(os.fsencode(login)) + fingerprint(os.fsencode(none)))
    assert _find(folder, requester=b"1 1").outcome == HIT
    none.write_text("x")
    assert _find(folder, requester=b"1 2").outcome == MISS
    none.unlink()
    assert _find(folder, requester=b"1 3").outcome == HIT
    login.write_text("other")
    assert _find(folder, requester=b"1 4").outcome == MISS
    login.unlink()
    assert _find(folder, requester=b"1 5").outcome == MISS


def test_nothing_there_is_a_miss(folder: Path, tmp_path: Path) -> None:
    """No file and no folder are the beginning, not a failure."""
    assert _find(folder).outcome == MISS
    assert _find(tmp_path / "nowhere").outcome == MISS


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666, 0o610])
def test_a_file_open_to_others_is_refused(folder: Path, mode: int) -> None:
    """A token file that others could have read or written isn't used."""
    _keep(folder).chmod(mode)
    found = _find(folder)
    assert found.outcome == UNTRUSTED
    assert "accessible to other users" in found.problem


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777, 0o701])
def test_a_folder_open_to_others_is_refused(folder: Path, mode: int) -> None:
    """A folder that others can enter isn't used."""
    _keep(folder)
    folder.chmod(mode)
    assert _find(folder).outcome == UNTRUSTED


def test_someone_elses_file_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or folder of another user isn't used."""
    _keep(folder)
    monkeypatch.setattr(token_cache.posix, "geteuid", lambda: os.geteuid() + 1)
    found = _find(folder)
    assert found.outcome == UNTRUSTED
    assert "another user" in found.problem


def test_links_pipes_and_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    """What isn't a plain file in a plain folder isn't followed, waited for or read."""
    path = _keep(folder)
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
    _keep(folder)
    assert _find(folder).outcome == HIT
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert _find(link).outcome == UNTRUSTED


def test_a_token_under_another_key_is_refused(folder: Path) -> None:
    """A file that was made for something else isn't used, whatever its name."""
    _keep(folder, key="cd" * 32)
    assert _find(folder).outcome == UNTRUSTED


def test_a_file_full_of_askers_is_a_miss(folder: Path) -> None:
    """The list of served processes is bounded: a full file gives way to a new token."""
    with _keep(folder).open("ab") as file:
        file.write(served_line(b"1 1") * 40_000)
    assert _find(folder).outcome == MISS


@given(data=st.data())
def test_no_damage_gives_a_damaged_token(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever is done to the file, the answer is the token that was kept, or none, and never a failure."""
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = _keep(folder)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(content)))
        content[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(content)
    found = _find(folder)
    assert found.outcome in (HIT, MISS, REFUSED, UNTRUSTED)
    if found.outcome == HIT:
        assert (found.token, found.expires_at) == ("k8s-aws-v1.token", NOW + 840)


def test_a_parent_is_more_than_its_number() -> None:
    """The requesting process is distinct from a later one with the same ID, and from the program that it executes."""
    number, started, program = parent_process().split(b" ")
    assert int(number) == os.getppid()
    assert int(started) > 0
    assert int(program) == Path(f"/proc/{os.getppid()}/exe").stat().st_ino


def test_nothing_prints_a_token(folder: Path) -> None:
    """A cached token has no repr that shows it."""
    _keep(folder)
    assert "k8s-aws" not in repr(_find(folder))
