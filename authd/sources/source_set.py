"""Switches sources at run time, as the file of `server.dynamicBackendModePath` says."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.task import Cooperator, LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from authd.config.backend_file import read_backend_file
from authd.core.errors import ConfigError, Problem
from authd.sources.changed_file import ChangedFile, read_bounded
from authd.sources.directory_watcher import DirectoryWatcher
from authd.sources.in_force import InForce
from authd.sources.lockout_guard import LockedOut
from authd.sources.source import Source

_log = Logger(namespace="authd.reload")

#: Seconds between two checks whether all new sources have their mappings.
_WAIT_SECONDS = 0.2


class SourceSet:
    """Starts and stops the sources that the file names. If it is broken or deleted, the sources stay.

    New sources replace old ones once all of them have their mappings, so that nobody is locked out meanwhile. `make`
    returns a source by its name, or None for the settings file, which is always watched.
    """

    name = "backendMode"

    def __init__(
        self,
        reactor: Any,
        path: Path,
        *,
        in_force: InForce,
        cooperator: Cooperator,
        make: Callable[[str], Source | None],
        reloaded: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._in_force = in_force
        self._cooperator = cooperator
        self._make = make
        self._reloaded = reloaded
        self._running: dict[str, Source] = {}
        self._wanted: tuple[str, ...] = ()
        self._fault: tuple[Problem, ...] = ()
        self._swapping = False
        self._file = ChangedFile(read=self._read, load=self._load, unreadable=self._broken, cooperator=cooperator)
        self._watcher = DirectoryWatcher(reactor, path, self.check)
        self._waiting = LoopingCall(self._swap_if_ready)
        self._waiting.clock = reactor

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems of the file and of every source."""
        missing = self._missing() if self._waiting.running else []
        message = f"waiting for the mappings of {', '.join(missing)}"
        waiting = (Problem(file=str(self._path), line=0, column=0, message=message),) if missing else ()
        return (*self._fault, *waiting, *(each for source in self._running.values() for each in source.problems))

    def start(self) -> None:
        """Start the sources that the file names, or those of the settings if the file is broken."""
        names = self._in_force.settings.backend_mode
        try:
            content = self._read()
            names = read_backend_file(content, str(self._path))
            self._file.loaded(content)
        except ConfigError as error:
            self._broken(error.problems)
        self._run(names)
        self._in_force.set_order(names)
        self._wanted = names
        self._watcher.start()

    def check(self) -> None:
        """Check the file and all sources for changes."""
        self._file.check()
        for source in list(self._running.values()):
            source.check()

    def stop(self) -> None:
        """Stop watching the file, and all sources."""
        self._watcher.stop()
        if self._waiting.running:
            self._waiting.stop()
        for source in self._running.values():
            source.stop()

    def _read(self) -> bytes:
        return read_bounded(self._path, "the file of server.dynamicBackendModePath")

    def _load(self, content: bytes) -> Generator[None, None, None]:
        yield
        try:
            names = read_backend_file(content, str(self._path))
            self._run(names)
        except ConfigError as error:
            self._broken(error.problems)
            return
        self._wanted = names
        self._fault = ()
        self._in_force.refusals.forget(self.name)
        if not self._waiting.running:
            self._waiting.start(_WAIT_SECONDS)

    def _broken(self, problems: tuple[Problem, ...]) -> None:
        if problems != self._fault:
            self._in_force.refusals.forget(self.name)
            self._fault = problems
            for problem in problems:
                _log.error("{problem}", problem=str(problem))
            _log.error("{file} can't be used; the sources in force stay", file=str(self._path))
            self._reloaded("broken")

    def _run(self, names: tuple[str, ...]) -> None:
        """Start the sources that are not running. Raises `ConfigError` before any is started if one can't be made."""
        made = [(name, self._make(name)) for name in names if name not in self._running]
        for name, source in made:
            if source is not None:
                self._running[name] = source
                source.start()

    def _swap_if_ready(self) -> None:
        if not self._missing() and not self._swapping:
            self._waiting.stop()
            self._swapping = True
            self._cooperator.cooperate(self._swap()).whenDone().addBoth(self._swapped)

    def _missing(self) -> list[str]:
        return [name for name in self._wanted if name in self._running and not self._in_force.has_table(name)]

    def _swap(self) -> Generator[None, None, None]:
        names = self._wanted
        try:
            yield from self._in_force.reorder(names, self._in_force.settings.lockout_share)
        except LockedOut as error:
            if names != self._wanted:  # the file has changed meanwhile, and its newer list follows
                return
            force = partial(self._force, names)
            self._fault = (self._in_force.refused_source(error, self.name, str(self._path), force),)
            self._reloaded("refused")
            return
        self._finish_swap(names)

    def _force(self, names: tuple[str, ...]) -> None:
        """Put a refused list in force, for `authd reload --force`."""
        self._fault = ()
        self._in_force.set_order(names)
        self._finish_swap(names)

    def _finish_swap(self, names: tuple[str, ...]) -> None:
        for name in [name for name in self._running if name not in {*names, *self._wanted}]:
            self._running.pop(name).stop()
            self._in_force.forget(name)
        _log.info("sources in force: {sources}", sources=", ".join(names))
        self._reloaded("ok")

    def _swapped(self, result: object) -> None:
        self._swapping = False
        if isinstance(result, Failure):
            _log.failure("changing the sources failed; those in force stay", failure=result)
