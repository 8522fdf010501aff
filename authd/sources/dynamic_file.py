"""The source DynamicFile: a file of mappings that another program writes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

from twisted.internet.task import Cooperator

from authd.config.document.problems import Problems
from authd.config.dynamic_file import reading_dynamic_file
from authd.core.cooperative import finish
from authd.core.errors import ConfigError, Problem
from authd.core.mapping.table import MappingTable
from authd.sources.changed_file import ChangedFile, read_bounded
from authd.sources.directory_watcher import DirectoryWatcher
from authd.sources.in_force import InForce
from authd.sources.publisher import Content, Publisher


class DynamicFile:
    """Watches the file. If it is broken, empty or deleted, the mappings stay.

    With `at_once`, `start` loads the file before it returns. In a running daemon that would delay reviews.
    """

    name = "DynamicFile"

    def __init__(
        self,
        reactor: Any,
        path: Path,
        *,
        in_force: InForce,
        cooperator: Cooperator,
        partitions: Iterable[str],
        reloaded: Callable[[str], None] = lambda _: None,
        at_once: bool = True,
    ) -> None:
        self._path = path
        self._at_once = at_once
        self._in_force = in_force
        self._partitions = tuple(partitions)
        self._content = b""
        self._publisher = Publisher(self.name, in_force, cooperator, self._build, reloaded)
        self._file = ChangedFile(
            read=self._read, load=self._reload, unreadable=self._publisher.broken, cooperator=cooperator
        )
        self._watcher = DirectoryWatcher(reactor, path, self.check)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The errors because of which the latest content is not in force."""
        return self._publisher.problems

    def start(self) -> None:
        """Load the file and watch it."""
        if self._at_once:
            self._load_at_once()
        else:
            self._file.check()
        self._watcher.start()

    def _load_at_once(self) -> None:
        try:
            self._content = self._read()
            content = finish(self._build())
        except ConfigError as error:
            self._publisher.broken(error.problems)
        else:
            self._file.loaded(self._content)
            self._in_force.replace_at_once(self.name, content.table)
            self._publisher.published = True

    def check(self) -> None:
        """Load the file if it has changed."""
        self._file.check()

    def stop(self) -> None:
        """Stop watching the file."""
        self._watcher.stop()
        self._publisher.stop()
        self._content = b""

    def _read(self) -> bytes:
        return read_bounded(self._path, "the dynamic file")

    def _reload(self, content: bytes) -> Generator[None, None, None]:
        self._content = content
        yield from self._publisher.publishing()

    def _build(self) -> Generator[None, None, Content]:
        settings = self._in_force.settings
        problems = Problems(str(self._path))
        table: MappingTable = yield from reading_dynamic_file(
            self._content,
            problems,
            self._partitions,
            partition=settings.partition,
            patterns=settings.role_patterns,
            strict=settings.dynamic_file_user_id_strict,
            reserved=settings.reserved_by(self.name),
        )
        return Content(table, warnings=problems.warnings())
