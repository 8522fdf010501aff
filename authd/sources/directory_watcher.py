"""Watches a file through its directory, by inotify and by polling in case events are lost.

A watch on the file itself would end: a ConfigMap's mount swaps a symbolic link, and editors rename over the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import inotify, task
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath

_log = Logger(namespace="authd.watcher")

#: Seconds without an event after which a burst is over.
QUIET_SECONDS = 0.1
#: Seconds to wait for a program that writes in place, unless it closes the file sooner.
WRITING_SECONDS = 2.0
#: The longest delay in seconds if events never stop.
LONGEST_SECONDS = 5.0
#: Poll interval in seconds. Events can be lost (overflow, network file systems).
POLL_SECONDS = 30.0
#: Seconds between two attempts to watch a missing directory.
_RETRY_SECONDS = 1.0

#: A longer chain of links counts as a loop.
_MAX_LINKS = 8

_MASK = (
    inotify.IN_CLOSE_WRITE
    | inotify.IN_MODIFY
    | inotify.IN_ATTRIB
    | inotify.IN_MOVED_FROM
    | inotify.IN_MOVED_TO
    | inotify.IN_CREATE
    | inotify.IN_DELETE
    | inotify.IN_DELETE_SELF
    | inotify.IN_MOVE_SELF
)


def watched_places(path: Path) -> list[Path]:
    """Return the paths to watch for a file: its own, and those that symbolic links lead to.

    An edit of a link's target causes no event in the link's directory. Targets within a watched directory are left out,
    such as `..data` of a ConfigMap's mount.
    """
    places = [path]
    for _ in range(_MAX_LINKS):
        if not path.is_symlink():
            break
        path = Path(os.path.normpath(path.parent / path.readlink()))
        if not any(path.is_relative_to(place.parent) for place in places):
            places.append(path)
    return places


class _Watch(inotify.INotify):
    """One inotify descriptor. Unlike Twisted's, it reports that it was closed."""

    def __init__(
        self, reactor: Any, folder: Path, seen: Callable[[FilePath[bytes], int], None], ended: Callable[[], None]
    ) -> None:
        self.identity = _identity(folder)
        super().__init__(reactor)
        self._ended = ended
        try:
            self.watch(FilePath(os.fsencode(folder)), _MASK, callbacks=[lambda _watch, path, mask: seen(path, mask)])
        except inotify.INotifyError:
            os.close(self.fileno())
            raise
        self.startReading()

    def connectionLost(self, reason: Failure) -> None:
        """Call `ended`: no more events follow."""
        super().connectionLost(reason)
        self._ended()


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


class DirectoryWatcher:
    """Calls `changed` after each burst of events in a file's directory, and at each poll."""

    def __init__(self, reactor: Any, path: Path, changed: Callable[[], None]) -> None:
        self._reactor = reactor
        self._folder = path.parent
        self._name = os.fsencode(path.name)
        self._changed = changed
        self._watch: _Watch | None = None
        self._quiet: Any = None
        self._latest = 0.0
        self._retry: Any = None
        self._running = False
        self._warned = False
        self._polling = task.LoopingCall(self._poll)
        self._polling.clock = reactor

    @property
    def watching(self) -> bool:
        """Whether inotify works. The poll always does."""
        return self._watch is not None

    def start(self) -> None:
        """Start watching. An error of inotify is only logged, because polling is enough."""
        self._running = True
        self._begin_watch()
        self._polling.start(POLL_SECONDS, now=False)

    def stop(self) -> None:
        """Stop watching."""
        self._running = False
        self._polling.stop()
        for call in (self._quiet, self._retry):
            if call is not None and call.active():
                call.cancel()
        self._end_watch()

    def _begin_watch(self) -> None:
        self._retry = None
        try:
            self._watch = _Watch(self._reactor, self._folder, self._seen, self._lost)
            self._warned = False
        except (OSError, inotify.INotifyError) as error:
            if self._warned:
                return
            self._warned = True
            _log.warn(
                "can't watch {folder} ({error}): it is polled every {seconds:.0f} seconds instead",
                folder=str(self._folder),
                error=type(error).__name__,
                seconds=POLL_SECONDS,
            )

    def _end_watch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.loseConnection()

    def _seen(self, path: FilePath[bytes], mask: int) -> None:
        # If this raised, Twisted would end the watch silently.
        name = path.basename()
        if mask & (inotify.IN_DELETE_SELF | inotify.IN_MOVE_SELF):
            self._reactor.callLater(0, self._end_watch)
        elif name.startswith(b".") and not name.startswith(b"..") and name != self._name:
            return  # a temporary file, which is renamed later
        if not mask & inotify.IN_MODIFY:
            self._settle(QUIET_SECONDS)
        elif name == self._name:
            self._settle(WRITING_SECONDS)  # writes to other files are ignored

    def _settle(self, seconds: float) -> None:
        now = self._reactor.seconds()
        if self._quiet is None or not self._quiet.active():
            self._latest = now + LONGEST_SECONDS
            self._quiet = self._reactor.callLater(seconds, self._changed)
        else:
            self._quiet.reset(min(seconds, max(0.0, self._latest - now)))

    def _lost(self) -> None:
        self._watch = None
        if self._running and self._retry is None:
            self._retry = self._reactor.callLater(_RETRY_SECONDS, self._restart)

    def _restart(self) -> None:
        self._retry = None
        if self._folder.is_dir():
            self._begin_watch()
            self._settle(QUIET_SECONDS)
        else:
            self._lost()

    def _poll(self) -> None:
        try:
            replaced = self._watch is not None and _identity(self._folder) != self._watch.identity
        except OSError:
            replaced = True
        if replaced:
            self._end_watch()
        elif self._watch is None and self._retry is None:
            self._begin_watch()
        self._settle(QUIET_SECONDS)
