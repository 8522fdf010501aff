"""Saves the last good content of a file, for a start while the file is broken."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from authd.state.atomic_file import write_if_changed

_log = Logger(namespace="authd.reload")


class LastGoodFile:
    """Writes last good contents to disk. A failed write is a logged warning about `what`.

    `in_thread` calls a function with arguments in a thread, because a slow disk must not block the reactor. With
    `touch`, writing an unchanged content renews the file's modification time.
    """

    def __init__(self, in_thread: Callable[..., Deferred[Any]], *, what: str = "settings", touch: bool = False) -> None:
        self._in_thread = in_thread
        self._what = what
        self._touch = touch
        self._writing = False
        self._next: tuple[Path, bytes] | None = None
        self._unwritten: tuple[Path, bytes] | None = None

    def keep_now(self, path: Path, content: bytes) -> None:
        """Write a content before returning."""
        try:
            self._keep(path, content)
        except OSError:
            self._failed(Failure(), path, content)

    def keep(self, path: Path, content: bytes) -> None:
        """Write a content in a thread. Of several that arrive during a write, only the newest is written."""
        self._next = path, content
        self._unwritten = None
        if not self._writing:
            self._write_next()

    def retry(self) -> None:
        """Write the content whose last write failed, for example on a full disk."""
        if self._unwritten is not None:
            self.keep(*self._unwritten)

    def _write_next(self) -> None:
        if self._next is None:
            return
        (path, content), self._next = self._next, None
        self._writing = True
        self._in_thread(self._keep, path, content).addErrback(self._failed, path, content).addBoth(self._written)

    def _written(self, _: object) -> None:
        self._writing = False
        self._write_next()

    def _failed(self, failure: Failure, path: Path, content: bytes) -> None:
        if self._next is None:  # else a newer content is written next
            self._unwritten = path, content
        error = failure.getErrorMessage()
        message = "the last good {what} can't be kept in {path}: {error}"
        _log.warn(message, what=self._what, path=str(path), error=error)

    def _keep(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not write_if_changed(path, content) and self._touch:
            os.utime(path)
