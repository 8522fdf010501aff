"""A flood of reviews with invented access keys while users known to STS log in.

Every call to STS takes 50 ms. The known users first log in alone, then during the flood. The results are their share
of successful logins and their waiting time. Needs the packages of run.py. From the project's root:

  python -m benchmarks.flood                    2 000 bogus reviews a second for 20 seconds
  python -m benchmarks.flood --flood 500 --seconds 5
  python -m benchmarks.flood --same-key         forgeries under one user's key ID, see targeted.py
  python -m benchmarks.flood --unmapped         valid tokens that no mapping matches, see targeted.py
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients.load import Load, Outcome, finish_load, run_load, start_load
from benchmarks.clients.tokens import distinct, write_tokens
from benchmarks.processes import Cores, choose_cores
from benchmarks.servers.daemon import Daemon, start_daemon
from benchmarks.servers.nginx import STS, start_sts
from benchmarks.targeted import SAME_KEY_RATE, UNMAPPED_RATE, measure_targeted

_STS_SECONDS = 0.05
#: Reviews per second of a flood, with invented keys and with unmapped identities.
_RATES = (2_000, UNMAPPED_RATE)
_KNOWN_CALLERS = 200
_KNOWN_CONNECTIONS = 32
_FLOOD_CONNECTIONS = 400
#: Seconds of the flood before the known users are measured.
_RISE_SECONDS = 3
#: The largest factor by which the known users' 99th percentile may rise in the flood.
_FACTOR = 3.0
#: The least share of logins with a response. Those without one are in no percentile.
_ANSWERED = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """Latencies of the known users alone and in the flood, and its own results. `due` is the number of logins."""

    due: int
    alone: Outcome
    within: Outcome
    flood: Outcome
    calls: int

    def table(self) -> str:
        """Return the results as a Markdown table with a verdict."""
        lines = ["| known users | logins answered | got in | p50 | p99 |", "| --- | --- | --- | --- | --- |"]
        lines += [self._line("alone", self.alone), self._line("in the flood", self.within)]
        factor = self.within.latency[99] / (self.alone.latency[99] or 1)
        flood = (
            f"Flood: {self.flood.rate:.0f} reviews/s, of which {self.flood.accepted} got in, "
            f"{self.flood.refused / (self.flood.reviews or 1):.0%} were turned away without asking STS, "
            f"{self.flood.failed} had no answer; {self.calls / self.flood.seconds:.0f} calls to STS/s."
        )
        verdict = f"p99 is {factor:.2f} times that without a flood (reach: {_FACTOR:g}); {self.verdict()}."
        return "\n".join([*lines, "", flood, verdict])

    def verdict(self) -> str:
        """Return whether all known users and no others got access, with an acceptable waiting time."""
        everyone = all(
            outcome.accepted == outcome.reviews >= _ANSWERED * self.due and not outcome.failed
            for outcome in (self.alone, self.within)
        )
        bearable = self.within.latency[99] < _FACTOR * self.alone.latency[99]
        return "reached" if everyone and bearable and not self.flood.accepted else "NOT reached"

    def as_json(self) -> str:
        """Return the results as JSON."""
        outcomes = {"alone": self.alone, "within": self.within, "flood": self.flood}
        return json.dumps({name: outcome.as_json() for name, outcome in outcomes.items()} | {"calls": self.calls})

    def _line(self, name: str, outcome: Outcome) -> str:
        share = outcome.accepted / (outcome.reviews + outcome.failed or 1)
        latency = f"{outcome.latency[50]:.1f} ms | {outcome.latency[99]:.1f} ms"
        return f"| {name} | {outcome.reviews} of {self.due} | {share:.2%} | {latency} |"


def _known(tokens: Path, rate: int, seconds: int) -> Load:
    write_tokens(tokens, distinct(rate * seconds * 2 + 1000, callers=_KNOWN_CALLERS))
    return Load(tokens=tokens, connections=_KNOWN_CONNECTIONS, seconds=seconds, rate=rate, check=True)


def measure_flood(folder: Path, cores: Cores, sts: STS, daemon: Daemon, arguments: argparse.Namespace) -> Flood:
    """Measure the known users alone and then in the flood, after one login each."""
    known, seconds = folder / "known", arguments.seconds
    run_load(_known(known, _KNOWN_CALLERS, 3), daemon.port, cores.around)  # STS confirms all of them
    alone = run_load(_known(known, arguments.known, seconds), daemon.port, cores.around)
    length = seconds + _RISE_SECONDS + 1
    strangers = arguments.flood * length * 2
    tokens = write_tokens(folder / "flood", distinct(strangers, kind="BOGUS", callers=strangers))
    load = _known(known, arguments.known, seconds)
    calls = sts.calls()
    flood = start_load(
        Load(tokens=tokens, connections=_FLOOD_CONNECTIONS, seconds=length, rate=arguments.flood, check=True),
        daemon.port,
        cores.around,
    )
    time.sleep(_RISE_SECONDS)
    within = run_load(load, daemon.port, cores.around)
    ended = finish_load(flood)
    asked = sts.calls() - calls - within.reviews
    return Flood(due=arguments.known * seconds, alone=alone, within=within, flood=ended, calls=asked)


def main() -> None:
    """Measure and print. The exit status is 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flood", type=int, help="reviews of the flood a second (2000, 1400 or 1500)")
    parser.add_argument("--calls", type=int, default=300, help="server.sts.callsPerSecond of the daemon")
    parser.add_argument("--known", type=int, default=100, help="logins of known users a second")
    parser.add_argument("--seconds", type=int, default=20, help="how long the known users are watched, each time")
    parser.add_argument("--json", type=Path, help="where to write everything that was measured")
    parser.add_argument("--same-key", action="store_true", help="flood with forgeries under one user's key ID")
    parser.add_argument("--unmapped", action="store_true", help="flood with valid tokens that no mapping matches")
    arguments = parser.parse_args()
    cores = choose_cores()
    os.sched_setaffinity(0, {cores.around})
    arguments.flood = arguments.flood or (SAME_KEY_RATE if arguments.same_key else _RATES[arguments.unmapped])
    if arguments.same_key or arguments.unmapped:
        raise SystemExit(0 if measure_targeted(cores, arguments) else 1)
    with tempfile.TemporaryDirectory(prefix="authd-flood-") as name:
        folder = Path(name)
        sts = start_sts(folder / "sts", cores.around, delay=_STS_SECONDS)
        with sts.running:
            daemon = start_daemon(
                folder / "daemon", cores.server, sts, options={"callsPerSecond": str(arguments.calls)}
            )
            with daemon.running:
                flood = measure_flood(folder, cores, sts, daemon, arguments)
    print(flood.table())
    if arguments.json:
        arguments.json.write_text(flood.as_json() + "\n")
    raise SystemExit(0 if flood.verdict() == "reached" else 1)


if __name__ == "__main__":
    main()
