"""Reloads a file whenever its content changes, in small steps between reviews."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.internet.task import Cooperator
from twisted.logger import Logger
from twisted.python.failure import Failure

from authd.config.document.decoding import MAX_BYTES
from authd.core.errors import ConfigError, Problem
from authd.sources.young_garbage import collecting_young
from authd.state.atomic_file import NotRegularError, read_regular

_log = Logger(namespace="authd.reload")

#: Seconds that a reload may block the reactor at a time. A review takes four turns of the reactor, so it is delayed by
#: up to four times as much.
_SLICE_SECONDS = 0.002


def short_slice() -> Callable[[], bool]:
    """Start a time slice. Returns the termination predicate that `Cooperator` expects: whether the slice is over."""
    end = time.monotonic() + _SLICE_SECONDS
    return lambda: time.monotonic() >= end


def read_bounded(path: Path, what: str) -> bytes:
    """Read a source's file, up to one byte over the limit. Raises `ConfigError`, whose message names `what`.

    Pipes and devices are refused: the daemon would wait for their content, and serve nobody meanwhile.
    """
    try:
        return read_regular(path, MAX_BYTES + 1)
    except NotRegularError:
        raise _unreadable(path, f"{what} must be a regular file, not a pipe or a device") from None
    except OSError as error:
        raise _unreadable(path, f"{what} can't be read: {error.strerror}") from None


def read_pipe(path: Path, what: str) -> bytes:
    """Wait for the content of a pipe, as far as `read_bounded` would read it. Raises `ConfigError`."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, f"{what} can't be read: {error.strerror}") from None


def _unreadable(path: Path, message: str) -> ConfigError:
    return ConfigError((Problem(file=str(path), line=0, column=0, message=message),))


class ChangedFile:
    """Detects new content by its SHA-256 and loads it. Only one load runs at a time.

    `read` returns the content or raises `ConfigError`. `load` puts a content in force in steps. `unreadable` receives
    the problems of a failed `read`.
    """

    def __init__(
        self,
        *,
        read: Callable[[], bytes],
        load: Callable[[bytes], Generator[None, None, None]],
        unreadable: Callable[[tuple[Problem, ...]], None],
        cooperator: Cooperator,
    ) -> None:
        self._read = read
        self._load = load
        self._unreadable = unreadable
        self._cooperator = cooperator
        self._digest = ""
        self._loading = False
        self._again = False

    @property
    def digest(self) -> str:
        """The SHA-256 of the content that was last loaded, empty during a load and if the file is unreadable."""
        return "" if self._loading else self._digest

    def loaded(self, content: bytes) -> None:
        """Record a content that is already in force."""
        self._digest = sha256(content).hexdigest()

    def check(self, again: Callable[[str], bool] = lambda _: False) -> None:
        """Load the file if its content has changed, or if `again` returns True for the SHA-256 of its content."""
        if self._loading:
            self._again = True
            return
        try:
            content = self._read()
        except ConfigError as error:
            self._unreadable(error.problems)
            self._digest = ""
            return
        digest = sha256(content).hexdigest()
        if again(digest) or digest != self._digest:
            self._digest = digest
            self._loading = True
            loading = collecting_young(self._load(content))
            self._cooperator.cooperate(loading).whenDone().addBoth(self._finished, again)

    def _finished(self, result: Any, again: Callable[[str], bool]) -> None:
        self._loading = False
        if isinstance(result, Failure):
            _log.failure("reloading failed; the mappings in force stay", failure=result)
        if self._again:
            self._again = False
            self.check(again)
