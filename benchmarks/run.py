"""Measure all figures of the daemon and the floors: a table, JSON and pictures.

Needs the Debian packages wrk, nginx and libnginx-mod-http-lua, and two cores that nothing else uses.
From the project's root, with the Python that authd is installed for:

  python -m benchmarks.run                     all of it, about half an hour
  python -m benchmarks.run --only distinct-64 start --runs 1 --seconds 3
  python -m benchmarks.run --docs docs         and put the table and the pictures into the documentation
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.figures.loads import Loads, measure_loads, measure_throughput
from benchmarks.figures.machine import describe, machine_text
from benchmarks.figures.pictures import draw_latency, draw_memory, draw_throughput
from benchmarks.figures.report import FLOORS, table, update
from benchmarks.figures.scenarios import SCENARIOS
from benchmarks.figures.single_rows import SINGLES, Single, Terms
from benchmarks.figures.stage import set_up
from benchmarks.processes import Cores, choose_cores, program

_THROUGHPUT = "throughput"
_NAMES = (*(scenario.name for scenario in SCENARIOS), _THROUGHPUT, *SINGLES)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="how often each figure is taken; the median counts")
    parser.add_argument("--seconds", type=int, default=10, help="how long one load lasts")
    parser.add_argument("--reviews", type=int, default=1_000_000, help="how many reviews memory is watched over")
    parser.add_argument("--only", nargs="+", choices=_NAMES, default=_NAMES, metavar="NAME", help=", ".join(_NAMES))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="where the files go")
    parser.add_argument("--docs", type=Path, help="the folder whose performance.md gets table and pictures")
    return parser.parse_args()


def _measure(arguments: argparse.Namespace, cores: Cores, folder: Path) -> tuple[Loads, list[Single]]:
    with set_up(folder, cores) as stage:
        chosen = [scenario for scenario in SCENARIOS if scenario.name in arguments.only]
        loads = measure_loads(stage, chosen, arguments.runs, arguments.seconds)
        if _THROUGHPUT in arguments.only:
            loads.throughput.update(measure_throughput(stage, arguments.seconds))
        terms = Terms(folder=folder, cores=cores, sts=stage.sts, runs=arguments.runs, reviews=arguments.reviews)
        singles = []
        for name, measure in SINGLES.items():
            if name in arguments.only:
                print(f"{name} …", file=sys.stderr)
                singles.append(measure(terms))
    return loads, singles


def _draw(folder: Path, loads: Loads, singles: list[Single]) -> list[str]:
    """Draw the available pictures, and return the Markdown that shows them."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    latencies = loads.latencies()
    if latencies:
        draw_latency(folder / "latency.svg", latencies)
        pictures.append("![Latency distribution](latency.svg)")
    if loads.throughput:
        draw_throughput(folder / "throughput.svg", loads.throughput)
        pictures.append("![Throughput against connections](throughput.svg)")
    for curve in [single.curve for single in singles if single.curve]:
        draw_memory(folder / "memory.svg", curve)
        pictures.append("![Resident memory over reviews](memory.svg)")
    return pictures


def main() -> None:
    """Measure the selected figures, print the table and write the files."""
    arguments = _arguments()
    for name in ("wrk", "nginx", "taskset"):
        program(name)
    machine = describe()
    cores = choose_cores()
    os.sched_setaffinity(0, {cores.around})
    with tempfile.TemporaryDirectory(prefix="authd-benchmark-") as folder:
        loads, singles = _measure(arguments, cores, Path(folder))
    text = f"{table([*loads.rows(), *(single.row for single in singles)], FLOORS)}\n\n{machine_text(machine)}"
    print(text)
    _draw(arguments.out, loads, singles)
    (arguments.out / "table.md").write_text(text + "\n")
    taken = {"machine": machine, **loads.as_json(), "singles": [single.as_json() for single in singles]}
    (arguments.out / "results.json").write_text(json.dumps(taken, indent=1) + "\n")
    if arguments.docs:
        pictures = _draw(arguments.docs, loads, singles)
        update(arguments.docs / "performance.md", "\n\n".join([text, *pictures]))


if __name__ == "__main__":
    main()
