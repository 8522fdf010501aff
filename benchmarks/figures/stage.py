"""Runs the servers of the measurements: an STS, the daemons and the floors. Measures each of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients.client import resumes_sessions
from benchmarks.clients.load import Load, Outcome, run_load
from benchmarks.clients.tokens import FAST_HOST, distinct, write_tokens
from benchmarks.figures.scenarios import Scenario
from benchmarks.processes import Cores, Running
from benchmarks.servers.daemon import Daemon, environment, start_daemon
from benchmarks.servers.nginx import STS, start_floor, start_sts

_WARM_UP_SECONDS = 2
_FLOOR_START_SECONDS = 10.0
_FLOOR_TOKENS = 1000

#: Measured values by name.
Sample = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """A server for comparison. It sends a fixed response, or consists of common libraries."""

    name: str
    running: Running
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The servers of the measurements."""

    cores: Cores
    folder: Path
    sts: STS
    plain: Daemon
    caching: Daemon
    floors: tuple[Floor, ...]


@contextmanager
def set_up(folder: Path, cores: Cores) -> Iterator[Stage]:
    """Run all servers for the block."""
    with ExitStack() as stack:
        sts = start_sts(folder / "sts", cores.around)
        stack.enter_context(sts.running)
        plain = start_daemon(folder / "plain", cores.server, sts)
        stack.enter_context(plain.running)
        caching = start_daemon(folder / "caching", cores.server, sts, options={"cacheTTL": "10m"})
        stack.enter_context(caching.running)
        nginx, port = start_floor(folder / "floor", cores.server, plain.state)
        stack.enter_context(nginx)
        same = _start_floor("same stack", folder, cores, "benchmarks.servers.floor", plain.state)
        stack.enter_context(same.running)
        usual = _start_floor(
            "Site and treq", folder, cores, "benchmarks.servers.usual", plain.state, sts.ports[FAST_HOST], sts.ca_file
        )
        stack.enter_context(usual.running)
        floors = (same, Floor(name="nginx", running=nginx, port=port), usual)
        yield Stage(cores=cores, folder=folder, sts=sts, plain=plain, caching=caching, floors=floors)


def _start_floor(name: str, folder: Path, cores: Cores, module: str, *arguments: object) -> Floor:
    log = folder / f"{module}.log"
    running = Running([sys.executable, "-m", module, *map(str, arguments)], cores.server, log, environment())
    limit = time.monotonic() + _FLOOR_START_SECONDS
    while time.monotonic() < limit and running.process.poll() is None:
        if log.read_text().endswith("\n"):
            return Floor(name=name, running=running, port=int(log.read_text()))
        time.sleep(0.01)
    running.end()
    raise SystemExit(f"the floor did not start: {log.read_text()[-500:]}")


def measure(stage: Stage, scenario: Scenario, seconds: int) -> Sample:
    """Warm up, then run one load against the daemon. `wrong` counts wrong responses."""
    daemon = stage.caching if scenario.caching else stage.plain
    tokens = stage.folder / "tokens"
    for duration in (_WARM_UP_SECONDS, seconds):
        write_tokens(tokens, scenario.tokens(scenario.per_second * duration))
        calls, cpu = stage.sts.calls(), daemon.running.cpu_seconds()
        outcome = run_load(_load(scenario, tokens, duration), daemon.port, stage.cores.around)
        used = daemon.running.cpu_seconds() - cpu
    asked = stage.sts.calls() - calls - 1  # includes the request for the count
    daemon.empty_log()
    sent = outcome.reviews + scenario.connections  # at the end each connection has one in flight
    return sample_of(outcome, used) | {
        "calls": round(asked / sent, 2),
        "resumed": float(scenario.new_connections and resumes_sessions(daemon.port)),
        "wrong": outcome.failed + (outcome.reviews - outcome.accepted if scenario.lets_in else outcome.accepted),
    }


def _load(scenario: Scenario, tokens: Path, seconds: int) -> Load:
    return Load(
        tokens=tokens,
        connections=scenario.connections,
        seconds=seconds,
        new_connections=scenario.new_connections,
        check=True,
    )


def measure_floor(stage: Stage, floor: Floor, connections: int, seconds: int, *, new_connections: bool) -> Sample:
    """Run one load against a floor."""
    tokens = write_tokens(stage.folder / "floor-tokens", distinct(_FLOOR_TOKENS))
    load = Load(tokens=tokens, connections=connections, seconds=seconds, again=True, new_connections=new_connections)
    cpu = floor.running.cpu_seconds()
    outcome = run_load(load, floor.port, stage.cores.around)
    return sample_of(outcome, floor.running.cpu_seconds() - cpu)


def sample_of(outcome: Outcome, cpu_seconds: float) -> Sample:
    """Return the values of one run: latencies in ms, reviews a second, and µs of CPU a review."""
    latency = {f"p{percent:g}": milliseconds for percent, milliseconds in outcome.latency.items()}
    cpu = cpu_seconds / outcome.reviews * 1e6
    return latency | {"rate": outcome.rate, "cpu": cpu}
