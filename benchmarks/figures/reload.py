"""Measures a reload of 10 000 rules: the longest stall of the reactor, and the time until they are in force."""

from __future__ import annotations

import gc
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.clients.client import Client
from benchmarks.clients.tokens import access_key, mint
from benchmarks.figures.stage import Sample
from benchmarks.processes import Cores
from benchmarks.servers.daemon import Daemon, many_rules, settings_text, start_daemon
from benchmarks.servers.nginx import STS

_RULES = 10_000
_LIMIT_SECONDS = 20.0
#: Seconds between two probes of the reactor: the error of a stall's duration.
_PROBE_SECONDS = 0.002


def measure_reload(folder: Path, cores: Cores, sts: STS, runs: int) -> Sample:
    """Replace 10 000 rules. Returns the longest stall, and the time until the new ones were in force."""
    daemon = start_daemon(folder, cores.server, sts, rules=many_rules(_RULES, 0))
    with daemon.running:
        client = Client(daemon.port, daemon.health_port, daemon.state / "ca.pem")
        gc.collect()
        gc.disable()
        try:
            quiet = [_quiet_stall(client) for _ in range(runs)]
            measured = [_reload_once(daemon, client, sts, generation) for generation in range(1, runs + 1)]
        finally:
            gc.enable()
            client.close()
    return {
        "stall": statistics.median(stall for stall, _ in measured) * 1000,
        "quiet": statistics.median(quiet) * 1000,
        "first": statistics.median(first for _, first in measured) * 1000,
    }


def _quiet_stall(client: Client) -> float:
    worst = 0.0
    limit = time.monotonic() + 1
    while time.monotonic() < limit:
        worst = max(worst, client.health_seconds(), _review(client)[0])
        time.sleep(_PROBE_SECONDS)
    return worst


def _review(client: Client) -> tuple[float, list[str]]:
    """Review a token. Returns the time it took and the caller's groups."""
    token = mint(access_key("GOOD", 1), datetime.now(UTC))
    begin = time.perf_counter()
    status = client.status_of(token)
    return time.perf_counter() - begin, status["user"]["groups"]


def _reload_once(daemon: Daemon, client: Client, sts: STS, generation: int) -> tuple[float, float]:
    new = daemon.settings.with_suffix(".new")
    new.write_text(settings_text(daemon.folder, sts, rules=many_rules(_RULES, generation)))
    time.sleep(1)  # writes settle before the file is replaced
    new.rename(daemon.settings)
    renamed = time.monotonic()
    worst = 0.0
    while time.monotonic() < renamed + _LIMIT_SECONDS:
        seconds, groups = _review(client)
        worst = max(worst, seconds, client.health_seconds())
        if groups == [f"generation-{generation}"]:
            first = time.monotonic() - renamed
            return max(worst, _quiet_stall(client)), first
        time.sleep(_PROBE_SECONDS)
    raise SystemExit(f"the new rules were not in force after {_LIMIT_SECONDS:g} s")
