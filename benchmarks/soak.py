"""A soak test: good, bad, slow and faulty traffic at once, with reloads every few seconds and certificate swaps.

Counts every wrong response, and watches memory, descriptors and reactor stalls. Needs the packages of run.py.
From the project's root:

  python -m benchmarks.soak --minutes 60
  python -m benchmarks.soak --minutes 1 --reload-every 2 --swap-every 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from benchmarks.clients.connection import Connection
from benchmarks.processes import choose_cores
from benchmarks.servers.daemon import SETTLE_SECONDS, Daemon, start_again
from benchmarks.servers.nginx import STS, start_sts
from benchmarks.soaking.disturbance import (
    Events,
    attack_repeatedly,
    reload_repeatedly,
    soak_settings,
    swap_certificates,
)
from benchmarks.soaking.report import Watch, report
from benchmarks.soaking.traffic import MIX, Tally, send_repeatedly

_RULES = 1000
_HOSTILE_CLIENTS = 4
_SAMPLE_SECONDS = 10.0
#: Samples per progress line.
_SAMPLES_TOLD = 6
#: Seconds after which idle connections of clients and to STS are closed.
_COOL_DOWN_SECONDS = 15.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="how long")
    parser.add_argument("--reload-every", type=float, default=5, metavar="SECONDS", help="pause between reloads")
    parser.add_argument("--swap-every", type=float, default=300, metavar="SECONDS", help="pause between swaps")
    parser.add_argument("--json", type=Path, help="where to write everything that was seen")
    return parser.parse_args()


async def _watch(daemon: Daemon, watch: Watch, tally: Tally) -> None:
    while True:
        for _ in range(_SAMPLES_TOLD):
            await asyncio.sleep(_SAMPLE_SECONDS)
            watch.take(daemon)
        seconds, resident, _ = watch.samples[-1]
        done, wrong = tally.answered.total(), tally.wrong.total()
        print(f"{seconds / 60:.0f} min: {done} reviews, {wrong} wrong, {resident:.1f} MB", file=sys.stderr)


async def _soak(arguments: argparse.Namespace, daemon: Daemon, sts: STS, watch: Watch) -> tuple[Tally, Events]:
    tally, events = Tally(), Events()
    trust = ssl.create_default_context(cafile=str(daemon.state / "ca.pem"))
    connections = [Connection(daemon.port, trust) for _ in range(sum(count for count, _ in MIX.values()) + 1)]
    spare = iter(connections)
    work: list[Coroutine[Any, Any, None]] = [
        send_repeatedly(make, pause, next(spare), tally) for make, (count, pause) in MIX.items() for _ in range(count)
    ]
    work += [attack_repeatedly(daemon.port, trust, events) for _ in range(_HOSTILE_CLIENTS)]
    work += [
        reload_repeatedly(daemon, sts, rules=_RULES, seconds=arguments.reload_every, tally=tally, events=events),
        swap_certificates(daemon, arguments.swap_every, next(spare), events),
        _watch(daemon, watch, tally),
    ]
    tasks = [asyncio.create_task(each) for each in work]
    done, _ = await asyncio.wait(tasks, timeout=arguments.minutes * 60, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for connection in connections:
        connection.close()
    for task in done:
        task.result()  # they never end by themselves, so this raises the error
    return tally, events


def main() -> None:
    """Run and report. The exit status is 1 if anything was wrong."""
    arguments = _arguments()
    cores = choose_cores()
    os.sched_setaffinity(0, {cores.around})
    with tempfile.TemporaryDirectory(prefix="authd-soak-") as name:
        folder = Path(name)
        sts = start_sts(folder / "sts", cores.around, delay=0.005)
        with sts.running:
            (folder / "daemon").mkdir()
            (folder / "daemon" / "config.yaml").write_text(soak_settings(folder / "daemon", sts, _RULES, 0))
            daemon = start_again(folder / "daemon", cores.server)
            with daemon.running:
                time.sleep(SETTLE_SECONDS)
                watch = Watch()
                watch.take(daemon)
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.soaking.lag",
                    str(daemon.health_port),
                    str(arguments.minutes * 60),
                ]
                with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as lag:
                    tally, events = asyncio.run(_soak(arguments, daemon, sts, watch))
                    watch.lag.update(json.loads(lag.communicate()[0]))
                time.sleep(_COOL_DOWN_SECONDS)
                watch.take(daemon)
    sys.exit(report(tally, events, watch, arguments.json))


if __name__ == "__main__":
    main()
