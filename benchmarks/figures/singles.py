"""Figures that are not loads: start, memory, lookup. Each function returns its values."""

from __future__ import annotations

import statistics
import time
import timeit
from pathlib import Path

from authd.core.arn import parse_arn
from authd.core.caller_identity import parse_response
from authd.core.mapping.table import Rule, build_table
from authd.core.mapping.templates import parse_template
from benchmarks.clients.load import Load, run_load
from benchmarks.clients.tokens import access_key, distinct, write_tokens
from benchmarks.figures.stage import Sample
from benchmarks.processes import Cores
from benchmarks.servers.daemon import SETTLE_SECONDS, start_again, start_daemon
from benchmarks.servers.nginx import STS, STS_ANSWER
from tests.integration.rig.ports import free_port

_MEMORY_ROUND_SECONDS = 10
_MEMORY_TOKENS = 100_000
_LOOKUPS = 5000
_USERNAME = parse_template("bench:{{SessionNameRaw}}")
_GROUP = parse_template("bench")


def measure_start(folder: Path, cores: Cores, sts: STS, runs: int) -> Sample:
    """Start a daemon several times on a free port. The first start creates certificates and does not count."""
    start_daemon(folder, cores.server, sts, port=free_port()).running.end()
    seconds: list[float] = []
    for _ in range(runs):
        daemon = start_again(folder, cores.server)
        seconds.append(daemon.started)
        daemon.running.end()
    return {"milliseconds": statistics.median(seconds) * 1000}


def measure_memory(folder: Path, cores: Cores, sts: STS, reviews: int) -> list[tuple[int, float]]:
    """Return the resident memory in MB after each number of reviews."""
    daemon = start_daemon(folder, cores.server, sts)
    with daemon.running:
        time.sleep(SETTLE_SECONDS)
        curve = [(0, daemon.running.resident_mb())]
        while curve[-1][0] < reviews:
            tokens = write_tokens(folder / "tokens", distinct(_MEMORY_TOKENS))
            load = Load(tokens=tokens, connections=64, seconds=_MEMORY_ROUND_SECONDS)
            done = run_load(load, daemon.port, cores.around).reviews
            daemon.empty_log()
            curve.append((curve[-1][0] + done, daemon.running.resident_mb()))
        return curve


def measure_lookup(rules: int) -> Sample:
    """Look up one identity in a table of exact rules, in this process. Returns the best of several runs, in µs."""
    teams = [_rule(100_000_000_000 + n, f"Team-{n}") for n in range(rules - 1)]
    table = build_table([*teams, _rule(123_456_789_012, "Bench")], {})
    identity = parse_response(
        status=200, body=STS_ANSWER.encode(), partition="aws", access_key_id=access_key("GOOD", 1)
    )
    seconds = min(timeit.repeat(lambda: table.lookup(identity), number=_LOOKUPS, repeat=15))
    return {"microseconds": seconds / _LOOKUPS * 1e6}


def _rule(account: int, role: str) -> Rule:
    subject = parse_arn(f"arn:aws:iam::{account}:role/{role}")
    return Rule(subject=subject, username=_USERNAME, groups=(_GROUP,), where="config.yaml:1:1")
