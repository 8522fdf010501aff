"""Builds a source's tables in small steps and puts them in force."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import NamedTuple

from twisted.internet.task import Cooperator
from twisted.logger import Logger
from twisted.python.failure import Failure

from authd.core.errors import ConfigError, Problem
from authd.core.mapping.table import MappingTable
from authd.sources.in_force import InForce
from authd.sources.lockout_guard import LockedOut
from authd.sources.young_garbage import collecting_young, keep_first_table

_log = Logger(namespace="authd.reload")


class Content(NamedTuple):
    """A table, and the errors of the entries that it lacks. `usable` means that it may be used despite `errors`."""

    table: MappingTable
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    usable: bool = False


class Publisher:
    """Keeps one source's table in `in_force`.

    `build` returns the current content or raises `ConfigError`. `reloaded` is called with `ok`, `broken` or `refused`,
    and `changed` after each table that may be saved for the next start.
    The first content is published without its faulty entries, because there is no last good table to keep.
    """

    def __init__(
        self,
        source: str,
        in_force: InForce,
        cooperator: Cooperator,
        build: Callable[[], Generator[None, None, Content]],
        reloaded: Callable[[str], None] = lambda _: None,
        *,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._changed = changed
        self._source = source
        self._in_force = in_force
        self._cooperator = cooperator
        self._build = build
        self._reloaded = reloaded
        self._building = False
        self._again = False
        self._warnings: tuple[Problem, ...] = ()
        self._first = True  # a copy from disk does not count
        self._stopped = False
        self.published = False
        self.problems: tuple[Problem, ...] = ()

    def publish(self) -> None:
        """Build the table and put it in force. During a build, another one is started after it."""
        if self._building:
            self._again = True
            return
        self._building = True
        self._cooperator.cooperate(collecting_young(self.publishing())).whenDone().addBoth(self._finished)

    def broken(self, problems: tuple[Problem, ...]) -> None:
        """Log why the table in force stays."""
        if problems == self.problems:
            return
        self._in_force.refusals.forget(self._source)
        self.problems = problems
        for problem in problems:
            _log.error("{problem}", problem=str(problem))
        if problems:
            _log.error("{source}: the last good mappings stay in force", source=self._source)
            self._reloaded("broken")

    def stop(self) -> None:
        """End a build in progress: nothing is put in force any more."""
        self._stopped = True

    def publishing(self) -> Generator[None, None, None]:
        """Build the table and put it in force, in steps that the caller runs."""
        steps = self._publishing()
        while not self._stopped:
            try:
                next(steps)
            except StopIteration:
                return
            yield

    def _publishing(self) -> Generator[None, None, None]:
        self._in_force.refusals.forget(self._source)
        try:
            content = yield from self._build()
        except ConfigError as error:
            self.broken(error.problems)
            return
        self._warn(content.warnings)
        if content.errors and self.published and not content.usable:
            self.broken(content.errors)
            return
        try:
            yield from self._in_force.replace(self._source, content.table, self._in_force.settings.lockout_share)
        except LockedOut as error:
            force = partial(self._force, content)
            self.problems = (self._in_force.refused_source(error, self._source, self._source, force),)
            self._reloaded("refused")
            return
        self._publish(content)

    def _force(self, content: Content) -> None:
        """Put a refused table in force, for `authd reload --force`."""
        self._in_force.replace_at_once(self._source, content.table)
        self._publish(content)

    def _publish(self, content: Content) -> None:
        self._report(content)
        self.published = True
        if self._first:
            self._first = False
            keep_first_table()
        if content.usable or not content.errors:
            self._changed()

    def _report(self, content: Content) -> None:
        for problem in content.errors:
            if problem not in self.problems:
                _log.error("{problem}", problem=str(problem))
        self.problems = content.errors
        self._reloaded("broken" if content.errors else "ok")
        _log.info("{source}: {rules} rules in force", source=self._source, rules=len(content.table))

    def _warn(self, warnings: tuple[Problem, ...]) -> None:
        if warnings != self._warnings:
            self._warnings = warnings
            for warning in warnings:
                _log.warn("{warning}", warning=str(warning))

    def _finished(self, result: object) -> None:
        self._building = False
        if isinstance(result, Failure):
            _log.failure("{source} failed; the mappings in force stay", failure=result, source=self._source)
        if self._again:
            self._again = False
            self.publish()
