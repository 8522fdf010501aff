"""Saving the last good settings without blocking the reactor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import capturedLogs, formatEvent

from authd.sources.last_good import LastGoodFile


class Threads:
    """Fake threads that run when the test calls `work`."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def call(self, function: Callable[..., Any], *arguments: object) -> Deferred[Any]:
        called: Deferred[Any] = Deferred()
        self.waiting.append(lambda: maybeDeferred(function, *arguments).chainDeferred(called))
        return called

    def work(self) -> None:
        self.waiting.pop(0)()


@pytest.fixture
def threads() -> Threads:
    return Threads()


@pytest.fixture
def last_good(threads: Threads) -> LastGoodFile:
    return LastGoodFile(threads.call)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "last-good.yaml"


def test_it_is_written_in_a_thread(last_good: LastGoodFile, threads: Threads, path: Path) -> None:
    """The file is written in a thread."""
    last_good.keep(path, b"one")
    assert not path.exists()
    threads.work()
    assert path.read_bytes() == b"one"
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_only_the_newest_waiting_copy_is_written(last_good: LastGoodFile, threads: Threads, path: Path) -> None:
    """One write runs at a time, so an older copy can't replace a newer one. Of the waiting copies, only the newest is written."""
    for content in (b"one", b"two", b"three"):
        last_good.keep(path, content)
    threads.work()
    assert path.read_bytes() == b"one"
    threads.work()
    assert path.read_bytes() == b"three"
    assert threads.waiting == []
    last_good.keep(path, b"four")
    threads.work()
    assert path.read_bytes() == b"four"


def test_an_unchanged_copy_is_not_written_again(last_good: LastGoodFile, path: Path) -> None:
    """If the content is unchanged, the file is not written."""
    last_good.keep_now(path, b"one")
    before = path.stat().st_ino
    last_good.keep_now(path, b"one")
    assert path.stat().st_ino == before


def test_a_copy_that_cannot_be_saved_is_a_warning(last_good: LastGoodFile, threads: Threads, path: Path) -> None:
    """A failed write is a warning, and the next copy is written."""
    path.parent.write_text("no directory")
    with capturedLogs() as events:
        last_good.keep_now(path, b"one")
        last_good.keep(path, b"one")
        threads.work()
    assert [event["log_level"].name for event in events] == ["warn", "warn"]
    assert all(f"the last good settings can't be kept in {path}: [Errno " in formatEvent(event) for event in events)
    path.parent.unlink()
    last_good.keep(path, b"two")
    threads.work()
    assert path.read_bytes() == b"two"


def test_a_failed_write_is_retried(last_good: LastGoodFile, threads: Threads, path: Path) -> None:
    """After a full disk, the newest content is written, and no older one replaces it."""
    path.parent.write_bytes(b"a file where the folder should be")
    last_good.keep(path, b"one")
    last_good.keep(path, b"two")
    threads.work()
    threads.work()
    path.parent.unlink()
    last_good.retry()
    threads.work()
    assert path.read_bytes() == b"two"
    last_good.retry()
    assert threads.waiting == []
