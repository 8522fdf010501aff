"""Measures the loads of a run: all scenarios and floors in turn, several times."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from benchmarks.figures.report import Row, load_row, medians
from benchmarks.figures.scenarios import SCENARIOS, Scenario
from benchmarks.figures.stage import Sample, Stage, measure, measure_floor

_FLOOR_SECONDS = 3
#: Up to the daemon's limit of concurrent calls to STS. Beyond it a few reviews wait, and others are rejected.
_CONNECTIONS = (1, 2, 4, 8, 16, 32, 64)
#: The scenarios whose latencies are drawn.
_DRAWN = ("distinct-64", "distinct-16", "distinct-20ms")

#: Names of the floors' curves.
_CURVES = {"same stack": "fixed answer, same stack", "nginx": "fixed answer, nginx", "Site and treq": "Site and treq"}

#: A floor's load: its name, the number of connections, and whether each review has a new one.
_Manner = tuple[str, int, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads:
    """The measurements. `throughput` is reviews a second by connections, for each server."""

    scenarios: Sequence[Scenario]
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    floors: dict[_Manner, list[Sample]] = field(default_factory=dict)
    throughput: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """Return the lines of the table."""
        return [load_row(scenario, self.samples[scenario.name], self._beside(scenario)) for scenario in self.scenarios]

    def latencies(self) -> dict[str, dict[float, float]]:
        """Return latency in milliseconds by percentile, for the picture."""
        return {
            scenario.title.removeprefix("distinct tokens, "): {
                float(name[1:]): value
                for name, value in medians(self.samples[scenario.name]).items()
                if name.startswith("p")
            }
            for scenario in self.scenarios
            if scenario.name in _DRAWN
        }

    def as_json(self) -> dict[str, object]:
        """Return every sample, and the curves."""
        floors = [
            {"floor": name, "connections": connections, "new_connections": new, "samples": samples}
            for (name, connections, new), samples in self.floors.items()
        ]
        return {"loads": self.samples, "floors": floors, "throughput": self.throughput}

    def _beside(self, scenario: Scenario) -> dict[str, list[Sample]]:
        manner = (scenario.connections, scenario.new_connections)
        return {name: samples for (name, *how), samples in self.floors.items() if tuple(how) == manner}


def measure_loads(stage: Stage, scenarios: Sequence[Scenario], runs: int, seconds: int) -> Loads:
    """Run all scenarios and floors in turn, so that disturbances affect all of them alike."""
    loads = Loads(scenarios=scenarios)
    manners = sorted({(scenario.connections, scenario.new_connections) for scenario in scenarios})
    for run in range(1, runs + 1):
        for scenario in scenarios:
            sample = measure(stage, scenario, seconds)
            loads.samples.setdefault(scenario.name, []).append(sample)
            _tell(run, scenario.name, sample)
        for connections, new in manners:
            for floor in stage.floors:
                sample = measure_floor(stage, floor, connections, _FLOOR_SECONDS, new_connections=new)
                loads.floors.setdefault((floor.name, connections, new), []).append(sample)
                _tell(run, f"{floor.name}, {connections} {'new ' if new else ''}connections", sample)
    return loads


def measure_throughput(stage: Stage, seconds: int) -> dict[str, list[tuple[float, float]]]:
    """Return reviews a second by the number of connections: the daemon on distinct tokens, and the floors."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for connections in _CONNECTIONS:
        sample = measure(stage, replace(SCENARIOS[0], connections=connections), seconds)
        curves.setdefault("authd, STS at 0 ms", []).append((connections, sample["rate"]))
        _tell(1, f"throughput, {connections} connections", sample)
        for floor in stage.floors:
            beside = measure_floor(stage, floor, connections, _FLOOR_SECONDS, new_connections=False)
            curves.setdefault(_CURVES[floor.name], []).append((connections, beside["rate"]))
    return curves


def _tell(run: int, name: str, sample: Sample) -> None:
    values = ", ".join(f"{key} {sample[key]:.3g}" for key in ("rate", "p50", "p99", "cpu", "calls") if key in sample)
    print(f"run {run}: {name}: {values}", file=sys.stderr)
