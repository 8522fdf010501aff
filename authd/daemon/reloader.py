"""The settings in force: read at the start, then again whenever the file has changed, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.internet.task import Cooperator
from twisted.logger import Logger

from authd.config.load import load_settings, loading_settings
from authd.config.settings import Loaded, Settings
from authd.core.errors import ConfigError, Problem
from authd.core.partitions import Partition


class SettingsFile:
    """Holds the settings in force, and replaces what a reload may replace: mappings and scrubbed accounts.

    `problems` is empty while the file's content is what is in force; `overrides` are command line options by
    their setting's path.
    """

    _log = Logger()

    def __init__(
        self,
        path: Path,
        partitions: Callable[[], Mapping[str, Partition]],
        overrides: Mapping[str, str],
        cooperator: Cooperator,
    ) -> None:
        self._path = path
        self._partitions = partitions
        self._overrides = overrides
        self._cooperator = cooperator
        self._digest = b""
        self._loading = False
        self._again = False
        self.problems: tuple[Problem, ...] = ()
        self.settings: Settings

    def load(self) -> Settings:
        """Read the file for the first time; raises `ConfigError`."""
        text = self._read()
        self._digest = sha256(text).digest()
        loaded = load_settings(text, file=str(self._path), partitions=self._partitions(), overrides=self._overrides)
        self._warn(loaded)
        self.settings = loaded.settings
        return loaded.settings

    def check(self) -> None:
        """Look whether the file has changed, and bring its mappings into force in small steps if so."""
        if self._loading:
            self._again = True
            return
        try:
            text = self._read()
        except ConfigError as error:
            if self.problems != error.problems:
                self._log.error("{problem}; the mappings in force stay", problem=str(error))
                self.problems = error.problems
                self._digest = b""
            return
        digest = sha256(text).digest()
        if digest != self._digest:
            self._digest = digest
            self._loading = True
            self._cooperator.cooperate(self._steps(text)).whenDone().addBoth(self._loaded)

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as error:
            message = f"the settings file can't be read: {error.strerror}"
            raise ConfigError((Problem(file=str(self._path), line=0, column=0, message=message),)) from None

    def _steps(self, text: bytes) -> Generator[None, None, None]:
        try:
            loaded = yield from loading_settings(
                text, file=str(self._path), partitions=self._partitions(), overrides=self._overrides
            )
        except ConfigError as error:
            self.problems = error.problems
            for problem in error.problems:
                self._log.error("{problem}", problem=str(problem))
            self._log.error("the settings file is broken; the mappings in force stay", problems=len(error.problems))
            return
        self._warn(loaded)
        self._put_in_force(loaded.settings)

    def _put_in_force(self, new: Settings) -> None:
        old = self.settings
        for name in Settings.restart_fields():
            if getattr(old, name) != getattr(new, name):
                self._log.warn("the setting {name} has changed: restart authd to bring it into force", name=name)
        self.settings = replace(old, table=new.table, scrubbed_accounts=new.scrubbed_accounts)
        self.problems = ()
        self._log.info("mappings reloaded: {rules} rules in force", rules=len(new.table))

    def _loaded(self, result: Any) -> None:
        self._loading = False
        if hasattr(result, "value"):
            self._log.failure("reloading failed; the mappings in force stay", failure=result)
        if self._again:
            self._again = False
            self.check()

    def _warn(self, loaded: Loaded) -> None:
        for warning in loaded.warnings:
            self._log.warn("{warning}", warning=str(warning))
