"""The settings and the mapping tables in force."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

from twisted.logger import Logger

from authd.config.settings import Settings
from authd.core.errors import Problem
from authd.core.mapping.ordered_tables import OrderedTables, SourceTable
from authd.core.mapping.table import MappingTable
from authd.core.mapping.validity import time_text
from authd.sources.lockout_guard import LockedOut, SeenIdentities
from authd.sources.refusals import Refusals

_log = Logger(namespace="authd.reload")

#: Locked-out identities that the log names.
_MAX_NAMES = 50
_EMPTY = MappingTable(exact={})


class Copy(NamedTuple):
    """The origin of a table from disk: the URL of its API server, and the Unix time at which it was last in force."""

    origin: str
    saved: float

    def described(self) -> str:
        """Describe the copy, with its age."""
        age = max(0, int(time.time() - self.saved))
        hours = f"{age // 3600} h {age % 3600 // 60} min"
        return f"a copy of {time_text(int(self.saved))} ({hours} old) from {self.origin}"


class InForce:
    """The settings and tables that reviews use. A reload replaces them by new objects and never changes them in place.

    `sources` are the names of the sources in the order of `server.backendMode`. `changed` has the Unix time of each
    source's last table, 0 if it has published none.
    """

    def __init__(self, settings: Settings, sources: Sequence[str], seen: SeenIdentities) -> None:
        self.settings = settings
        self.tables = OrderedTables(tables=tuple(SourceTable(source, _EMPTY) for source in sources))
        self._seen = seen
        self._waiting: dict[str, MappingTable] = {}  # tables of sources that are not in the order (yet)
        self.changed = dict.fromkeys(sources, 0.0)
        self.refusals = Refusals()
        self.copies: dict[str, Copy] = {}  # of the sources whose table is a copy from disk

    def replace_at_once(self, source: str, table: MappingTable) -> None:
        """Put a source's first table in force."""
        self._put(source, table)

    def use_copy(self, source: str, table: MappingTable, copy: Copy) -> None:
        """Put a table from disk in force. The source still counts as one without a table."""
        self._put(source, table)
        self.copies[source] = copy
        self.changed[source] = 0.0

    def table_of(self, source: str) -> MappingTable:
        """Return the latest table of a source, even if the source is not in the order yet."""
        return self._latest().get(source, _EMPTY)

    def replace(self, source: str, table: MappingTable, share: float | None) -> Generator[None, None, None]:
        """Put a source's new table in force, in steps.

        Raises `LockedOut` if the change would lock out more than `share` (0 to 1) of the identities of the last hour.
        None allows every change. A copy from disk is always replaced, because the source itself has precedence.
        """
        if share is not None and source not in self.copies:
            yield from self._seen.checking(self.tables.replaced(source, table), self.tables, share, time.time())
        self._put(source, table)  # `_put` starts from the current tables, since another source may have changed

    def _put(self, source: str, table: MappingTable) -> None:
        if any(entry.source == source for entry in self.tables.tables):
            self.tables = self.tables.replaced(source, table)
        else:
            self._waiting[source] = table
        self.copies.pop(source, None)
        self.changed[source] = time.time()

    def has_table(self, source: str) -> bool:
        """Return whether a source has published a table."""
        return bool(self.changed.get(source))

    def set_order(self, sources: Sequence[str]) -> None:
        """Put the tables of these sources in force in this order."""
        latest = self._latest()
        self.tables = self._ordered(sources)
        self._waiting = {name: table for name, table in latest.items() if name not in sources}
        self.changed |= {name: 0.0 for name in sources if name not in self.changed}

    def reorder(self, sources: Sequence[str], share: float | None) -> Generator[None, None, None]:
        """Put the tables of these sources in force in this order, in steps. Raises `LockedOut` as `replace` does."""
        if share is not None:
            yield from self._seen.checking(self._ordered(sources), self.tables, share, time.time())
        self.set_order(sources)

    def _latest(self) -> dict[str, MappingTable]:
        return {entry.source: entry.table for entry in self.tables.tables} | self._waiting

    def _ordered(self, sources: Sequence[str]) -> OrderedTables:
        latest = self._latest()
        return OrderedTables(tables=tuple(SourceTable(name, latest.get(name, _EMPTY)) for name in sources))

    def forget(self, source: str) -> None:
        """Drop the table of a source that was stopped."""
        self.refusals.forget(source)
        self._waiting.pop(source, None)
        self.copies.pop(source, None)
        self.changed.pop(source, None)

    def refused_source(self, error: LockedOut, source: str, place: str, accept: Callable[[], None]) -> Problem:
        """Like `refused`, but store the change for `authd reload --force`. `accept` puts it in force."""
        self.refusals.add(source, str(error), accept)
        return self.refused(error, place, "run `authd reload --force` or restart authd if you mean it")

    def refused(
        self, error: LockedOut, place: str, advice: str = "run `authd reload --force` if you mean it"
    ) -> Problem:
        """Log the identities that a refused table would lock out. Returns the problem of its source."""
        message = f"the new mappings were refused, since {error}: {advice}"
        problem = Problem(file=place, line=0, column=0, message=message)
        _log.error("{problem}", problem=str(problem))
        scrubbed = self.settings.scrubbed_accounts
        names = [name for name in error.names if name.split(":")[4] not in scrubbed]
        for name in names[:_MAX_NAMES]:
            _log.error("would be locked out: {canonical_arn}", canonical_arn=name)
        if len(names) > _MAX_NAMES:
            _log.error("would be locked out: {count} more", count=len(names) - _MAX_NAMES)
        return problem
