"""The settings in force: read at the start, then again whenever the file has changed, all or nothing."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.internet.task import Cooperator
from twisted.logger import Logger
from twisted.python.failure import Failure

from authd.config.document.decoding import MAX_BYTES
from authd.config.load import load_settings, loading_settings
from authd.config.settings import Loaded, Settings
from authd.core.errors import ConfigError, Problem
from authd.core.partitions import Partition
from authd.sources.last_good import LastGoodFile
from authd.sources.lockout_guard import LockedOut, SeenIdentities
from authd.state.certificate_store import StateFiles

_log = Logger(namespace="authd.reload")

#: How long a reload may keep the reactor at a time, in seconds: a review takes four turns, and waits in each.
_SLICE_SECONDS = 0.002
#: How many of the locked-out are named in the log.
_MOST_NAMES = 50
_STATE_DIR = re.compile(
    rb"""^[^#\n]*?(?<![\w-])["']?stateDir["']?[ \t]*:[ \t]*["']?(/[^"'\s#,}]+)""", re.MULTILINE | re.IGNORECASE
)


def short_slice() -> Callable[[], bool]:
    """Begin a slice of work on a reload; returns what says whether it is over, for a `Cooperator`."""
    end = time.monotonic() + _SLICE_SECONDS
    return lambda: time.monotonic() >= end


class SettingsFile:
    """Holds the settings in force, and replaces what a reload may replace: mappings and scrubbed accounts.

    `problems` is empty while the file's content is what is in force; `overrides` are command line options by
    their setting's path; `reloaded` is told `ok`, `broken` or `refused`.
    """

    settings: Settings

    def __init__(
        self,
        path: Path,
        *,
        partitions: Mapping[str, Partition],
        overrides: Mapping[str, str],
        cooperator: Cooperator,
        last_good: LastGoodFile,
        seen: SeenIdentities,
        reloaded: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._partitions = partitions
        self._overrides = overrides
        self._cooperator = cooperator
        self._last_good = last_good
        self._seen = seen
        self._reloaded = reloaded
        self._digest = ""
        self._loading = False
        self._again = False
        self.problems: tuple[Problem, ...] = ()

    def load(self) -> None:
        """Read the file for the first time; raises `ConfigError`.

        A broken file gives way to the last good one where that says `startFromLastGood`.
        """
        text = b""
        try:
            text = self._read()
            loaded = self._parse(text)
        except ConfigError as error:
            loaded = self._parse_last_good(text, error)
        else:
            self._digest = sha256(text).hexdigest()
            self._last_good.keep_now(_last_good_path(loaded.settings), text)
        self._warn(loaded)
        self.settings = loaded.settings

    def check(self) -> None:
        """Look whether the file has changed, and bring its mappings into force in small steps if so."""
        if self._loading:
            self._again = True
            return
        try:
            text = self._read()
        except ConfigError as error:
            self._broken(error.problems)
            self._digest = ""
            return
        digest = sha256(text).hexdigest()
        forced = self._forced() == digest
        if digest != self._digest or (forced and self.problems):
            self._digest = digest
            self._loading = True
            gc.disable()  # a full collection among thousands of new rules would stall the reactor
            self._cooperator.cooperate(self._steps(text, forced=forced)).whenDone().addBoth(self._finished)

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                return file.read(MAX_BYTES + 1)  # of one that is too large no more than shows it
        except OSError as error:
            message = f"the settings file can't be read: {error.strerror}"
            raise ConfigError((Problem(file=str(self._path), line=0, column=0, message=message),)) from None

    def _parse(self, text: bytes) -> Loaded:
        return load_settings(text, file=str(self._path), partitions=self._partitions, overrides=self._overrides)

    def _steps(self, text: bytes, *, forced: bool) -> Generator[None, None, None]:
        try:
            loaded = yield from loading_settings(
                text, file=str(self._path), partitions=self._partitions, overrides=self._overrides
            )
        except ConfigError as error:
            self._broken(error.problems)
            self._reloaded("broken")
            return
        self._warn(loaded)
        try:
            if not forced:
                share = loaded.settings.lockout_share
                yield from self._seen.checking(
                    loaded.settings.table, self.settings.table, 1.0 if share is None else share
                )
        except LockedOut as error:
            self._refuse(error)
            self._reloaded("refused")
            return
        self._put_in_force(loaded.settings)
        self._last_good.keep(_last_good_path(loaded.settings), text)
        self._reloaded("ok")

    def _refuse(self, error: LockedOut) -> None:
        message = f"the new mappings were refused, since {error}: run `authd reload --force` if that is meant"
        self.problems = (Problem(file=str(self._path), line=0, column=0, message=message),)
        _log.error("{problem}", problem=str(self.problems[0]))
        scrubbed = self.settings.scrubbed_accounts
        names = [name for name in error.names if name.split(":")[4] not in scrubbed]
        for name in names[:_MOST_NAMES]:
            _log.error("would be locked out: {canonical_arn}", canonical_arn=name)
        if len(names) > _MOST_NAMES:
            _log.error("would be locked out: {count} more", count=len(names) - _MOST_NAMES)

    def _broken(self, problems: tuple[Problem, ...]) -> None:
        if problems == self.problems:
            return
        self.problems = problems
        for problem in problems:
            _log.error("{problem}", problem=str(problem))
        _log.error("{file} can't be used; the mappings in force stay", file=str(self._path))

    def _put_in_force(self, new: Settings) -> None:
        for name in Settings.restart_fields():
            if getattr(self.settings, name) != getattr(new, name):
                spelled = Settings.spelled(name)
                _log.warn("the setting {name} has changed: restart authd to bring it into force", name=spelled)
        self.settings = replace(self.settings, table=new.table, scrubbed_accounts=new.scrubbed_accounts)
        self.problems = ()
        _log.info("mappings reloaded: {rules} rules in force", rules=len(new.table))

    def _finished(self, result: Any) -> None:
        self._loading = False
        gc.enable()
        if isinstance(result, Failure):
            _log.failure("reloading failed; the mappings in force stay", failure=result)
        if self._again:
            self._again = False
            self.check()

    def _warn(self, loaded: Loaded) -> None:
        for warning in loaded.warnings:
            _log.warn("{warning}", warning=str(warning))

    def _forced(self) -> str:
        """Return which content `authd reload --force` has asked for, and forget the request."""
        marker = StateFiles(folder=Path(self.settings.state_dir)).forced_reload
        try:
            digest = marker.read_text("ascii").strip()
            marker.unlink()
        except (OSError, ValueError):
            return ""
        return digest

    def _parse_last_good(self, broken: bytes, error: ConfigError) -> Loaded:
        # The file that says where the state directory is can't be read: its line alone may still be there.
        named = _STATE_DIR.search(broken)
        folder = self._overrides.get("server.stateDir") or (named[1].decode(errors="replace") if named else "")
        path = StateFiles(folder=Path(folder or "/var/lib/authd")).last_good
        try:
            loaded = load_settings(
                path.read_bytes(), file=str(path), partitions=self._partitions, overrides=self._overrides
            )
        except (OSError, ConfigError):
            raise error from None
        if not loaded.settings.start_from_last_good:
            raise error
        self._broken(error.problems)
        _log.critical("started from the last good settings, {path}", path=str(path))
        return loaded


def _last_good_path(settings: Settings) -> Path:
    return StateFiles(folder=Path(settings.state_dir)).last_good
