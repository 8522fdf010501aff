"""The measurements as a JSON value, and as a Markdown table with the floors."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures.scenarios import Goal, Scenario, grouped
from benchmarks.figures.stage import Sample

#: The floors in the order of the table's columns.
FLOORS = ("same stack", "nginx", "Site and treq")

_BEGIN, _END = "<!-- figures -->", "<!-- end of figures -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table. `floors` has each floor's result under the same load, by name."""

    title: str
    goals: tuple[Goal, ...]
    values: Sample
    floors: Mapping[str, Sample]

    def cells(self, floors: Sequence[str]) -> list[str]:
        """Return the row's cells. Those of the named floors are last."""
        reached = [goal.say(self.values[goal.value]) for goal in self.goals]
        beside = [self._beside(self.floors.get(name)) for name in floors]
        return [self.title, "; ".join(map(str, self.goals)), "; ".join(reached), *beside]

    def _beside(self, floor: Sample | None) -> str:
        if floor is None:
            return "–"
        return f"{grouped(floor['rate'])}/s, {grouped(floor['cpu'])} µs ({self.values['rate'] / floor['rate']:.0%})"


def medians(samples: Sequence[Sample]) -> Sample:
    """Return each value's median over the runs."""
    return {name: statistics.median(sample[name] for sample in samples) for name in samples[0]}


def load_row(scenario: Scenario, samples: Sequence[Sample], floors: Mapping[str, Sequence[Sample]]) -> Row:
    """Return the row of a load."""
    beside = {name: medians(floor) for name, floor in floors.items()}
    values = medians(samples)
    wrong = sum(sample["wrong"] for sample in samples)
    title = scenario.title
    title += " (NOT whole handshakes: sessions were resumed)" if values["resumed"] else ""
    title += f" ({wrong:.0f} WRONG answers)" if wrong else ""
    return Row(title=title, goals=scenario.goals, values=values, floors=beside)


def table(rows: Sequence[Row], floors: Sequence[str]) -> str:
    """Return the Markdown table. ✗ marks a missed target, percentages are relative to that floor's rate."""
    head = ["figure", "goal", "measured", *floors]
    lines = [head, ["---"] * len(head), *(row.cells(floors) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def update(document: Path, text: str) -> None:
    """Replace the text between a document's two marks. Exits if it has none."""
    before, begin, rest = document.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise SystemExit(f"{document} has no place for figures: put {_BEGIN} and {_END} where they belong")
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}")
