"""The source MountedFile: the settings file, read at the start and whenever its content changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path

from twisted.internet.task import Cooperator
from twisted.logger import Logger

from authd.config.load import load_settings, loading_settings
from authd.config.settings import NOTHING, Loaded, Settings
from authd.core.errors import ConfigError, Problem
from authd.core.partitions import Partition
from authd.sources.changed_file import ChangedFile, read_bounded, read_pipe
from authd.sources.in_force import InForce
from authd.sources.last_good import LastGoodFile
from authd.sources.lockout_guard import LockedOut, SeenIdentities
from authd.state.certificate_store import StateFiles

_log = Logger(namespace="authd.reload")

_STATE_DIR = re.compile(
    rb"""^[^#\n]*?(?<![\w-])["']?stateDir["']?[ \t]*:[ \t]*["']?(/[^"'\s#,}]+)""", re.MULTILINE | re.IGNORECASE
)


class MountedFile:
    """Reads the settings file. A reload replaces the mappings and `scrubbedAccounts` together, or neither.

    `path` is None if there is no file. `overrides` and `defaults` are command line options by the path of their
    setting. `reloaded` is called with `ok`, `broken` or `refused`.
    """

    name = "MountedFile"
    in_force: InForce

    def __init__(
        self,
        path: Path | None,
        *,
        partitions: Mapping[str, Partition],
        overrides: Mapping[str, str],
        defaults: Mapping[str, str] = NOTHING,
        cooperator: Cooperator,
        last_good: LastGoodFile,
        seen: SeenIdentities,
        reloaded: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._piped: bytes | None = None
        self._name = "the command line" if path is None else str(path)
        self._partitions = partitions
        self._overrides = overrides
        self._defaults = defaults
        self._last_good = last_good
        self._seen = seen
        self._reloaded = reloaded
        self._forced = False
        self._file = ChangedFile(read=self._read, load=self._steps, unreadable=self._broken, cooperator=cooperator)
        self.problems: tuple[Problem, ...] = ()

    def start(self) -> None:
        """Read the file and create `in_force`. Raises `ConfigError`.

        A pipe, such as a shell's `<(…)`, is read only once.
        If the file is broken, the last good one is used instead, provided that it has `startFromLastGood`.
        """
        text = b""
        try:
            if self._path is not None and self._path.is_fifo():
                self._piped = read_pipe(self._path, "the settings file")
            text = self._read()
            loaded = self._parse(text, self._name)
        except ConfigError as error:
            loaded = self._parse_last_good(text, error)
        else:
            self._file.loaded(text)
            self._last_good.keep_now(_last_good_path(loaded.settings), text)
        self._warn(loaded)
        self.in_force = InForce(loaded.settings, loaded.settings.backend_mode, self._seen)
        self.in_force.replace_at_once(self.name, loaded.table)

    @property
    def digest(self) -> str:
        """The SHA-256 of the latest content. The content is in force if there are no `problems`."""
        return self._file.digest

    def stop(self) -> None:
        """Do nothing: this source has no watcher of its own."""

    def check(self) -> None:
        """Load the file if it has changed, or if `authd reload --force` has requested it."""
        self._last_good.retry()
        self._file.check(self._must_load)

    def _must_load(self, digest: str) -> bool:
        self._forced = self._forced_digest() == digest
        return self._forced and bool(self.problems)

    def _read(self) -> bytes:
        if self._piped is not None:  # a pipe gives its content once
            return self._piped
        return b"" if self._path is None else read_bounded(self._path, "the settings file")

    def _parse(self, text: bytes, name: str) -> Loaded:
        return load_settings(
            text, file=name, partitions=self._partitions, overrides=self._overrides, defaults=self._defaults
        )

    def _steps(self, text: bytes) -> Generator[None, None, None]:
        try:
            loaded = yield from loading_settings(
                text,
                file=self._name,
                partitions=self._partitions,
                overrides=self._overrides,
                defaults=self._defaults,
            )
        except ConfigError as error:
            self._broken(error.problems)
            self._reloaded("broken")
            return
        self._warn(loaded)
        try:
            share = None if self._forced else loaded.settings.lockout_share
            yield from self.in_force.replace(self.name, loaded.table, share)
        except LockedOut as error:
            self.problems = (self.in_force.refused(error, self._name),)
            self._reloaded("refused")
            return
        self._put_in_force(loaded)
        self._last_good.keep(_last_good_path(loaded.settings), text)
        self._reloaded("ok")

    def _broken(self, problems: tuple[Problem, ...]) -> None:
        if problems == self.problems:
            return
        self.problems = problems
        for problem in problems:
            _log.error("{problem}", problem=str(problem))
        _log.error("{file} can't be used; the mappings in force stay", file=self._name)

    def _put_in_force(self, loaded: Loaded) -> None:
        # The new table has this file's prefixes already. The other sources take theirs at their start.
        current, new = self.in_force.settings, loaded.settings
        others = {source: names for source, names in current.reserved_prefixes.items() if source != self.name}
        own = {source: names for source, names in new.reserved_prefixes.items() if source == self.name}
        current = replace(current, reserved_prefixes=others | own)
        for name in Settings.restart_fields():
            if getattr(current, name) != getattr(new, name):
                spelled = Settings.spelled(name)
                _log.warn("the setting {name} has changed: restart authd to apply it", name=spelled)
        self.in_force.settings = replace(current, scrubbed_accounts=new.scrubbed_accounts)
        self.problems = ()
        _log.info("mappings reloaded: {rules} rules in force", rules=len(loaded.table))

    def _warn(self, loaded: Loaded) -> None:
        for warning in loaded.warnings:
            _log.warn("{warning}", warning=str(warning))

    def _forced_digest(self) -> str:
        """Remove the marker file of `authd reload --force`. Returns the SHA-256 in it, or an empty text."""
        marker = StateFiles(folder=Path(self.in_force.settings.state_dir)).forced_reload
        try:
            digest = marker.read_text("ascii").strip()
            marker.unlink()
        except (OSError, ValueError):
            return ""
        return digest

    def _parse_last_good(self, broken: bytes, error: ConfigError) -> Loaded:
        # Find `stateDir` by a regular expression, because the file can't be parsed.
        named = _STATE_DIR.search(broken)
        folder = self._overrides.get("server.stateDir") or (named[1].decode(errors="replace") if named else "")
        default = self._defaults.get("server.stateDir", "/var/lib/authd")
        path = StateFiles(folder=Path(folder or default)).last_good
        try:
            loaded = self._parse(path.read_bytes(), str(path))
        except (OSError, ConfigError):
            raise error from None
        if not loaded.settings.start_from_last_good:
            raise error
        self._broken(error.problems)
        _log.critical("started from the last good settings, {path}", path=str(path))
        return loaded


def _last_good_path(settings: Settings) -> Path:
    return StateFiles(folder=Path(settings.state_dir)).last_good
