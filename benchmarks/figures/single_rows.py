"""The rows of the table that are not loads, with their targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures.reload import measure_reload
from benchmarks.figures.report import Row
from benchmarks.figures.scenarios import Goal, grouped
from benchmarks.figures.singles import measure_lookup, measure_memory, measure_start
from benchmarks.figures.stage import Sample
from benchmarks.processes import Cores
from benchmarks.resident import measure_libraries
from benchmarks.servers.nginx import STS

#: The share of the reviews after which memory must be stable.
_SETTLED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The number of repetitions for each figure."""

    folder: Path
    cores: Cores
    sts: STS
    runs: int
    reviews: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One of these rows. `curve` is memory by reviews, if measured."""

    row: Row
    curve: tuple[tuple[int, float], ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the values by name."""
        return {"title": self.row.title, "values": self.row.values, "curve": self.curve}


def _row(title: str, values: Sample, *goals: Goal) -> Row:
    return Row(title=title, goals=goals, values=values, floors={})


def _start(terms: Terms) -> Single:
    values = measure_start(terms.folder / "start", terms.cores, terms.sts, terms.runs)
    goal = Goal(value="milliseconds", text="{} ms", at_most=300)
    return Single(row=_row("process start to port open, twistd included", values, goal))


def _memory(terms: Terms) -> Single:
    curve = measure_memory(terms.folder / "memory", terms.cores, terms.sts, terms.reviews)
    total = curve[-1][0]
    settled = next(resident for reviews, resident in curve if reviews >= total * _SETTLED)
    libraries = measure_libraries()
    row = _row(
        f"resident memory idle, after {grouped(total)} reviews, and growth over their second half "
        f"(with the libraries loaded and nothing else: {libraries:.1f} MB)",
        {"idle": curve[0][1], "end": curve[-1][1], "growth": curve[-1][1] - settled, "libraries": libraries},
        Goal(value="idle", text="{} MB idle", at_most=52),
        Goal(value="end", text="{} MB after", at_most=60),
        Goal(value="growth", text="{} MB growth", at_most=1),
    )
    return Single(row=row, curve=tuple(curve))


def _reload(terms: Terms) -> Single:
    values = measure_reload(terms.folder / "reload", terms.cores, terms.sts, terms.runs)
    row = _row(
        f"reload of 10 000 rules (longest answer without a reload: {values['quiet']:.3g} ms)",
        values,
        Goal(value="stall", text="{} ms longest stall", at_most=20),
        Goal(value="first", text="{} ms to the first review by the new table", at_most=1000),
    )
    return Single(row=row)


def _lookup(_terms: Terms) -> Single:
    few, many = measure_lookup(10)["microseconds"], measure_lookup(100_000)["microseconds"]
    row = _row(
        "lookup with 10, with 100 000 exact rules",
        {"few": few, "many": many},
        Goal(value="few", text="{} µs", at_most=5),
        Goal(value="many", text="{} µs", at_most=5),
    )
    return Single(row=row)


SINGLES: dict[str, Callable[[Terms], Single]] = {
    "start": _start,
    "memory": _memory,
    "reload": _reload,
    "lookup": _lookup,
}
