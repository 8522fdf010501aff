"""The end times of mappings with `validUntil`, by source, for the metrics and `authd status`."""

from __future__ import annotations

import time
from collections.abc import Iterator

from authd.core.mapping.table import MappingTable
from authd.core.mapping.validity import Timetable
from authd.sources.in_force import InForce


def next_ends(in_force: InForce) -> dict[str, float]:
    """Return the Unix time of each source's next end, if it has one."""
    now = time.time()
    ends = {source: timetable.next_end(now) for source, timetable in _timetables(in_force)}
    return {source: end for source, end in ends.items() if end is not None}


def ended_rules(in_force: InForce) -> dict[str, float]:
    """Return the number of ended rules of each source that has rules with times."""
    now = time.time()
    return {source: timetable.ended(now) for source, timetable in _timetables(in_force)}


def rule_times(table: MappingTable, now: float) -> dict[str, object]:
    """Return the numbers of rules that have ended or not begun, and the time of the next end or None."""
    if table.timetable is None:
        return {"ended": 0, "not_begun": 0, "next_end": None}
    ended = table.timetable.ended(now)
    return {
        "ended": ended,
        "not_begun": table.timetable.idle(now) - ended,
        "next_end": table.timetable.next_end(now),
    }


def _timetables(in_force: InForce) -> Iterator[tuple[str, Timetable]]:
    for source, table in in_force.tables.tables:
        if table.timetable is not None:
            yield source, table.timetable
