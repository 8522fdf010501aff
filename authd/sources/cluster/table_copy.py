"""Stores the last good table of a source in the cluster on disk, for a start while the API server is unreachable.

The copy is in force until the API server's first list is complete. If the list has errors, the copy stays.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.task import Cooperator
from twisted.logger import Logger
from twisted.python.failure import Failure

from authd.config.settings import Settings
from authd.config.table_copy import InvalidCopy, parse_copy, reading_copy, writing_copy
from authd.core.cooperative import finish
from authd.core.mapping.table import MappingTable
from authd.sources.in_force import Copy, InForce
from authd.sources.last_good import LastGoodFile
from authd.state.state_dir import StateDir
from authd.state.trusted_file import Untrusted, read_trusted

_log = Logger(namespace="authd.reload")

_FORMAT = 1
#: Seconds between two writes, since thousands of objects may change one after the other.
_PAUSE_SECONDS = 10.0
#: Seconds after which the time of an unchanged copy is renewed.
_CONFIRM_SECONDS = 600.0


class StoredCopy(Protocol):
    """The copy of a source's table on disk."""

    def load(self) -> bool:
        """Put the copy in force if there is a good one. Returns whether it is."""
        ...

    def changed(self) -> None:
        """Schedule a write of the table in force."""

    def confirm(self) -> None:
        """Renew the time of the copy from time to time, while the source is up to date."""

    def stop(self) -> None:
        """Finish a pending write before returning."""


class _NoCopy:
    """Stores nothing."""

    def load(self) -> bool:
        return False

    def changed(self) -> None:
        pass

    confirm = stop = changed


#: For sources that need no copy.
NO_COPY: StoredCopy = _NoCopy()


class TableCopy:
    """The copy of one source's table. `origin` is the URL of its API server.

    `in_thread` calls a function with arguments in a thread, because a slow disk must not block the reactor.
    `is_start` is False for a source that is switched on at run time. It loads no copy: the previous sources stay in
    force until its first list, and loading thousands of rules at once would delay reviews.
    """

    def __init__(
        self,
        reactor: Any,
        source: str,
        origin: str,
        *,
        in_force: InForce,
        cooperator: Cooperator,
        partitions: Iterable[str],
        in_thread: Callable[..., Deferred[Any]],
        is_start: bool = True,
    ) -> None:
        self._is_start = is_start
        settings = in_force.settings
        self._reactor = reactor
        self._source = source
        self._in_force = in_force
        self._cooperator = cooperator
        self._partitions = tuple(partitions)
        self._header = {
            "format": _FORMAT, "source": source, "origin": origin, "configuration": _fingerprint(settings, origin),
        }  # fmt: skip
        self._path = StateDir(folder=Path(settings.state_dir)).table_copy(source)
        self._file = LastGoodFile(in_thread, what=f"mappings of {source}", touch=True)
        self._written = 0.0
        self._due: Any = None
        self._unsaved = False
        self._stopped = False

    def load(self) -> bool:
        """Put the copy in force if there is a good one. Returns whether it is."""
        if not self._is_start:
            return False
        try:
            content, saved = read_trusted(self._path)
            copy = parse_copy(content)
            origin = self._checked_origin(copy)
            table = finish(self._table(copy))
        except FileNotFoundError:
            return False
        except (OSError, Untrusted, InvalidCopy) as error:
            self._discard(error)
            return False
        self._in_force.use_copy(self._source, table, Copy(origin, saved))
        _log.warn(
            "{source}: {rules} rules in force, {copy}, until the API server answers",
            source=self._source,
            rules=len(table),
            copy=self._in_force.copies[self._source].described(),
        )
        return True

    def changed(self) -> None:
        """Schedule a write of the table in force."""
        self._unsaved = True
        if self._due is None:
            pause = max(0.0, self._written + _PAUSE_SECONDS - self._reactor.seconds())
            self._due = self._reactor.callLater(pause, self._write)

    def confirm(self) -> None:
        """Renew the time of the copy from time to time, while the source is up to date."""
        if self._reactor.seconds() - self._written >= _CONFIRM_SECONDS and self._in_force.has_table(self._source):
            self.changed()

    def stop(self) -> None:
        """Finish a pending write before returning."""
        self._stopped = True
        if self._due is not None:
            self._due.cancel()
        if self._unsaved:
            self._unsaved = False
            self._file.keep_now(self._path, finish(self._content()))

    def _discard(self, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = "{source}: the copy of its mappings in {path} is discarded: {reason}"
        _log.warn(message, source=self._source, path=str(self._path), reason=reason)
        with suppress(OSError):
            self._path.unlink()  # else an equal copy would count as unchanged and not be written

    def _checked_origin(self, copy: dict[str, Any]) -> str:
        found = {name: copy.get(name) for name in self._header}
        if found != self._header:
            raise InvalidCopy("it was made with other settings or for another API server")
        return str(copy["origin"])

    def _table(self, copy: dict[str, Any]) -> Generator[None, None, MappingTable]:
        settings = self._in_force.settings
        return reading_copy(
            copy,
            self._partitions,
            partition=settings.partition,
            patterns=settings.role_patterns,
            reserved=settings.reserved_by(self._source),
        )

    def _content(self) -> Generator[None, None, bytes]:
        return writing_copy(self._in_force.table_of(self._source), self._header)

    def _write(self) -> None:
        self._due = None
        self._written = self._reactor.seconds()
        self._cooperator.cooperate(self._writing()).whenDone().addErrback(self._failed)

    def _writing(self) -> Generator[None, None, None]:
        table = self._in_force.table_of(self._source)
        content = yield from self._content()
        if self._stopped:  # `stop` has written the table, which may be forgotten by now
            return
        self._file.keep(self._path, content)
        self._unsaved = table is not self._in_force.table_of(self._source)

    def _failed(self, failure: Failure) -> None:
        _log.failure("the mappings of {source} can't be kept", failure=failure, source=self._source)


def _fingerprint(settings: Settings, origin: str) -> str:
    """Return a digest of the settings on which the meaning of a source's rules depends."""
    parts = (
        settings.cluster_id, settings.kubeconfig, settings.master, origin, settings.partition, settings.role_patterns,
    )  # fmt: skip
    return sha256(repr(parts).encode()).hexdigest()
