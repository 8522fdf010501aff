"""The last good settings file is saved without blocking the reactor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import capturedLogs, formatEvent

from authd.sources.last_good import LastGoodFile


class Threads:
    """Threads that work when the test says so."""

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


def test_it_is_kept_by_a_thread(last_good: LastGoodFile, threads: Threads, path: Path) -> None:
    """The caller goes on at once."""
    last_good.keep(path, b"one")
    assert not path.exists()
    threads.work()
    assert path.read_bytes() == b"one"
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_of_those_that_come_meanwhile_the_newest_is_kept(last_good: LastGoodFile, threads: Threads, path: Path) -> None:
    """One copy is written at a time, so that no older one replaces a newer one, and no thread waits."""
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
    """The same content leaves the file as it is."""
    last_good.keep_now(path, b"one")
    before = path.stat().st_ino
    last_good.keep_now(path, b"one")
    assert path.stat().st_ino == before


def test_a_copy_that_cannot_be_saved_is_a_warning(last_good: LastGoodFile, threads: Threads, path: Path) -> None:
    """A failure stops nothing, and the next copy is tried again."""
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


def test_a_failed_write_is_repeated(last_good: LastGoodFile, threads: Threads, path: Path) -> None:
    """After a full disk the newest content is written, and nothing older replaces it."""
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
