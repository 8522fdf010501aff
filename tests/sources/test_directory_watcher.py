"""The directory watcher, with real inotify and a fake clock."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import inotify
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs

from authd.sources import directory_watcher as watcher
from authd.sources.directory_watcher import (
    POLL_SECONDS,
    QUIET_SECONDS,
    WRITING_SECONDS,
    DirectoryWatcher,
    watched_places,
)


class Watching:
    """A watched file. Counts the reported changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.path = folder / "config.yaml"
        self.path.write_text("first")
        self.reactor = MemoryReactorClock()
        self.total = 0
        self.watcher = DirectoryWatcher(self.reactor, self.path, self._changed)
        self.watcher.start()

    def _changed(self) -> None:
        self.total += 1

    def read_events(self) -> None:
        """Let the reactor read events of inotify."""
        for reader in list(self.reactor.readers):
            self._read(reader)

    @staticmethod
    def _read(reader: Any) -> None:
        reason = reader.doRead()
        if reason is not None:
            reader.connectionLost(reason)

    def changes(self, seconds: float = QUIET_SECONDS) -> int:
        """Process events, advance the clock, and return the number of changes reported meanwhile."""
        before = self.total
        self.read_events()
        self.reactor.advance(seconds)
        return self.total - before


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    watching = Watching(tmp_path / "etc")
    yield watching
    if watching.watcher._running:
        watching.watcher.stop()
    assert watching.reactor.getDelayedCalls() == []
    assert watching.reactor.readers == set()


def test_no_events(watching: Watching) -> None:
    """Without events, only the poll reports."""
    assert watching.watcher.watching
    assert watching.changes(POLL_SECONDS - 1) == 0


def test_a_rename_over_the_file_is_reported_once(watching: Watching) -> None:
    """A rename over the watched file is reported once, when the directory is quiet."""
    new = watching.folder / ".new"
    new.write_text("second")
    new.replace(watching.path)
    assert watching.changes(QUIET_SECONDS / 2) == 0
    assert watching.changes(QUIET_SECONDS / 2) == 1
    assert watching.changes(POLL_SECONDS / 2) == 0


def test_a_second_change_restarts_the_wait(watching: Watching) -> None:
    """While changes follow each other, none is reported."""
    for _ in range(5):
        watching.path.touch()
        assert watching.changes(QUIET_SECONDS * 0.9) == 0
    assert watching.changes(QUIET_SECONDS * 0.2) == 1


def test_a_file_being_written_is_reported_later(watching: Watching) -> None:
    """A file that is still open for writing is reported later than a closed one."""
    with watching.path.open("a") as opened:
        opened.write("half")
        opened.flush()
        assert watching.changes(QUIET_SECONDS * 2) == 0
        opened.write("other half")
    assert watching.changes() == 1
    with watching.path.open("a") as opened:
        opened.write("and never closed")
        opened.flush()
        assert watching.changes(WRITING_SECONDS) == 1


def test_each_swap_of_a_config_map_is_reported(watching: Watching) -> None:
    """Each swap of the kubelet's symbolic link is reported."""
    watching.path.unlink()
    for version in ("..1", "..2", "..3"):
        (watching.folder / version).mkdir()
        (watching.folder / version / "config.yaml").write_text(version)
        (watching.folder / "..data_tmp").symlink_to(version)
        (watching.folder / "..data_tmp").replace(watching.folder / "..data")
        assert watching.changes() == 1


@pytest.mark.parametrize("how", ["unlink", "rename"])
def test_a_deleted_file_is_reported(watching: Watching, how: str) -> None:
    """A deleted or moved file is reported."""
    if how == "unlink":
        watching.path.unlink()
    else:
        watching.path.rename(watching.folder.parent / "elsewhere")
    assert watching.changes() == 1


def test_the_poll_finds_changes_without_an_event(watching: Watching) -> None:
    """The file is checked at intervals, even without events."""
    assert watching.changes(POLL_SECONDS) == 0
    assert watching.changes(QUIET_SECONDS) == 1
    watching.reactor.advance(POLL_SECONDS)
    assert watching.changes(QUIET_SECONDS) == 1


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.mark.parametrize("times", [1, 3])
def test_a_recreated_directory_is_watched_again(watching: Watching, times: int) -> None:
    """A directory that is deleted and created again is watched again, every time."""
    for _ in range(times):
        _remove(watching.folder)
        watching.read_events()
        watching.reactor.advance(0)
        assert not watching.watcher.watching
        watching.reactor.advance(5)
        watching.folder.mkdir()
        watching.path.write_text("anew")
        watching.reactor.advance(1)
        assert watching.watcher.watching
        watching.changes(1)
        watching.path.write_text("and changed")
        assert watching.changes() == 1


def test_a_replaced_directory_is_watched(watching: Watching) -> None:
    """If another directory takes its place, that one is watched instead."""
    aside = watching.folder.rename(watching.folder.parent / "aside")
    watching.folder.mkdir()
    watching.path.write_text("second")
    watching.read_events()
    watching.reactor.advance(0)
    watching.reactor.advance(1)
    assert watching.changes() == 1
    (aside / "config.yaml").write_text("nobody cares")
    assert watching.changes(1) == 0
    watching.path.write_text("third")
    assert watching.changes() == 1


def test_the_poll_detects_a_replaced_parent(watching: Watching) -> None:
    """A swap of the parent directory causes no event. The poll detects it and watches the new directory."""
    watching.folder.rename(watching.folder.parent / "aside")
    for reader in list(watching.reactor.readers):
        os.read(reader.fileno(), 65_536)  # lost
    watching.folder.mkdir()
    watching.path.write_text("second")
    watching.reactor.advance(POLL_SECONDS)
    watching.reactor.advance(1)
    watching.changes(1)
    watching.path.write_text("third")
    assert watching.changes() == 1


def test_polling_without_inotify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If inotify has reached a limit, a warning is logged, polling continues, and inotify is retried."""

    def exhausted(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched, capturedLogs() as events:
        patched.setattr(inotify._inotify, "init", exhausted)
        watching = Watching(tmp_path / "etc")
    assert [event["log_level"].name for event in events] == ["warn"]
    assert not watching.watcher.watching
    watching.reactor.advance(POLL_SECONDS)
    assert watching.watcher.watching
    assert watching.changes() == 1
    watching.watcher.stop()
    assert watching.reactor.getDelayedCalls() == []


def test_a_missing_directory_is_watched_later(tmp_path: Path) -> None:
    """A missing directory is watched once a poll finds it."""
    reactor = MemoryReactorClock()
    changes: list[None] = []
    waiting = DirectoryWatcher(reactor, tmp_path / "later" / "file", lambda: changes.append(None))
    waiting.start()
    assert not waiting.watching
    (tmp_path / "later").mkdir()
    reactor.advance(POLL_SECONDS)
    assert waiting.watching
    reactor.advance(QUIET_SECONDS)
    assert len(changes) == 1
    waiting.stop()


def test_stop_cleans_up(watching: Watching) -> None:
    """A stop during a change leaves no watch and no delayed call."""
    watching.path.write_text("second")
    watching.read_events()
    watching.watcher.stop()
    assert not watching.watcher.watching
    watching.reactor.advance(POLL_SECONDS * 2)
    assert watching.total == 0


def test_an_exception_does_not_end_the_watch(tmp_path: Path) -> None:
    """After an exception of the callback, the next change is still reported."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "file").write_text("first")
    reactor = MemoryReactorClock()
    calls: list[int] = []

    def broken() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise ZeroDivisionError

    failing = DirectoryWatcher(reactor, folder / "file", broken)
    failing.start()
    with pytest.raises(ZeroDivisionError):  # a real reactor logs it and goes on
        _touch(reactor, folder)
    _touch(reactor, folder)
    assert len(calls) == 2
    failing.stop()


def _touch(reactor: MemoryReactorClock, folder: Path) -> None:
    (folder / "file").write_text("again")
    for reader in list(reactor.readers):
        reader.doRead()
    reactor.advance(watcher.QUIET_SECONDS)


def test_the_places_of_a_linked_file(tmp_path: Path) -> None:
    """The directories of all links to the content are watched, except those within a watched directory."""
    real = tmp_path / "real" / "config.yaml"
    real.parent.mkdir()
    real.write_text("x")
    first, second = tmp_path / "etc" / "config.yaml", tmp_path / "between" / "config.yaml"
    for link, target in ((first, "../between/config.yaml"), (second, real)):
        link.parent.mkdir()
        link.symlink_to(target)
    assert watched_places(first) == [first, second, real]
    assert watched_places(real) == [real]
    mounted = tmp_path / "mount"
    (mounted / "..2026_01").mkdir(parents=True)
    (mounted / "..data").symlink_to("..2026_01")
    (mounted / "config.yaml").symlink_to("..data/config.yaml")
    assert watched_places(mounted / "config.yaml") == [mounted / "config.yaml"]
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert watched_places(loop) == [loop]
