"""A watch on a file through its directory, with real inotify and a clock of the test's."""

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
    """A watched file, and the number of reported changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.path = folder / "config.yaml"
        self.path.write_text("first")
        self.reactor = MemoryReactorClock()
        self.changes = 0
        self.watcher = DirectoryWatcher(self.reactor, self.path, self._changed)
        self.watcher.start()

    def _changed(self) -> None:
        self.changes += 1

    def read_events(self) -> None:
        """Let the reactor read inotify's events."""
        for reader in list(self.reactor.readers):
            self._read(reader)

    @staticmethod
    def _read(reader: Any) -> None:
        reason = reader.doRead()
        if reason is not None:
            reader.connectionLost(reason)

    def told(self, seconds: float = QUIET_SECONDS) -> int:
        """Let events arrive and time pass, and return the number of changes reported meanwhile."""
        before = self.changes
        self.read_events()
        self.reactor.advance(seconds)
        return self.changes - before


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    watching = Watching(tmp_path / "etc")
    yield watching
    if watching.watcher._running:
        watching.watcher.stop()
    assert watching.reactor.getDelayedCalls() == []
    assert watching.reactor.readers == set()


def test_nothing_is_told_without_a_change(watching: Watching) -> None:
    """Without events there is only the poll."""
    assert watching.watcher.watching
    assert watching.told(POLL_SECONDS - 1) == 0


def test_a_rename_over_the_file_is_told_once(watching: Watching) -> None:
    """A rename over the watched file is reported when the directory is quiet again."""
    new = watching.folder / ".new"
    new.write_text("second")
    new.replace(watching.path)
    assert watching.told(QUIET_SECONDS / 2) == 0
    assert watching.told(QUIET_SECONDS / 2) == 1
    assert watching.told(POLL_SECONDS / 2) == 0


def test_a_second_change_starts_the_wait_anew(watching: Watching) -> None:
    """As long as changes follow each other, none is reported."""
    for _ in range(5):
        watching.path.touch()
        assert watching.told(QUIET_SECONDS * 0.9) == 0
    assert watching.told(QUIET_SECONDS * 0.2) == 1


def test_a_file_that_is_being_written_is_left_alone(watching: Watching) -> None:
    """An open file is left alone for longer, a closed one is not."""
    with watching.path.open("a") as opened:
        opened.write("half")
        opened.flush()
        assert watching.told(QUIET_SECONDS * 2) == 0
        opened.write("other half")
    assert watching.told() == 1
    with watching.path.open("a") as opened:
        opened.write("and never closed")
        opened.flush()
        assert watching.told(WRITING_SECONDS) == 1


def test_a_config_maps_swap_is_told_each_time(watching: Watching) -> None:
    """The kubelet's swap of a symbolic link is a change, every time."""
    watching.path.unlink()
    for version in ("..1", "..2", "..3"):
        (watching.folder / version).mkdir()
        (watching.folder / version / "config.yaml").write_text(version)
        (watching.folder / "..data_tmp").symlink_to(version)
        (watching.folder / "..data_tmp").replace(watching.folder / "..data")
        assert watching.told() == 1


@pytest.mark.parametrize("how", ["unlink", "rename"])
def test_a_vanished_file_is_told(watching: Watching, how: str) -> None:
    """A deleted or moved file is a change too."""
    if how == "unlink":
        watching.path.unlink()
    else:
        watching.path.rename(watching.folder.parent / "elsewhere")
    assert watching.told() == 1


def test_the_poll_finds_changes_without_an_event(watching: Watching) -> None:
    """The file is checked at intervals, without events too."""
    assert watching.told(POLL_SECONDS) == 0
    assert watching.told(QUIET_SECONDS) == 1
    watching.reactor.advance(POLL_SECONDS)
    assert watching.told(QUIET_SECONDS) == 1


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.mark.parametrize("times", [1, 3])
def test_a_directory_that_is_made_anew_is_watched_anew(watching: Watching, times: int) -> None:
    """The deletion of the directory does not end the watch, however often."""
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
        watching.told(1)
        watching.path.write_text("and changed")
        assert watching.told() == 1


def test_a_directory_that_is_swapped_is_watched_anew(watching: Watching) -> None:
    """A renamed directory is dropped, and the one in its place is watched."""
    aside = watching.folder.rename(watching.folder.parent / "aside")
    watching.folder.mkdir()
    watching.path.write_text("second")
    watching.read_events()
    watching.reactor.advance(0)
    watching.reactor.advance(1)
    assert watching.told() == 1
    (aside / "config.yaml").write_text("nobody cares")
    assert watching.told(1) == 0
    watching.path.write_text("third")
    assert watching.told() == 1


def test_a_swap_that_no_event_told_is_found_by_the_poll(watching: Watching) -> None:
    """A swap of the parent directory is seen only by the poll, and the watch moves over."""
    watching.folder.rename(watching.folder.parent / "aside")
    for reader in list(watching.reactor.readers):
        os.read(reader.fileno(), 65_536)  # lost
    watching.folder.mkdir()
    watching.path.write_text("second")
    watching.reactor.advance(POLL_SECONDS)
    watching.reactor.advance(1)
    watching.told(1)
    watching.path.write_text("third")
    assert watching.told() == 1


def test_without_inotify_the_poll_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If inotify has reached a limit, there is a warning, the poll goes on, and inotify is tried again."""

    def exhausted(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched, capturedLogs() as events:
        patched.setattr(inotify._inotify, "init", exhausted)
        watching = Watching(tmp_path / "etc")
    assert [event["log_level"].name for event in events] == ["warn"]
    assert not watching.watcher.watching
    watching.reactor.advance(POLL_SECONDS)
    assert watching.watcher.watching
    assert watching.told() == 1
    watching.watcher.stop()
    assert watching.reactor.getDelayedCalls() == []


def test_a_directory_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    """The watch on a missing directory begins when the poll finds it."""
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


def test_the_end_leaves_nothing_behind(watching: Watching) -> None:
    """A stop during a change ends watch, poll and wait."""
    watching.path.write_text("second")
    watching.read_events()
    watching.watcher.stop()
    assert not watching.watcher.watching
    watching.reactor.advance(POLL_SECONDS * 2)
    assert watching.changes == 0


def test_a_failing_look_does_not_end_the_watch(tmp_path: Path) -> None:
    """An exception in the callback belongs to the callback: the next change is reported again."""
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
    """The folders of all links on the way are watched, but not those within a folder that is watched already."""
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
