"""Chaos: hundreds of users log in during many faults at once, and each response is compared with the expected one.

The daemon is real and gets its socket from a service manager. The emulated STS verifies signatures, one process for
each host. A fifth of the users log in through a real kube-apiserver if `make e2e-assets` has built one, and all others
through a client that behaves like it. Restarts, SIGKILL, good and broken settings, new certificates, faults of each STS
host, floods, clock jumps and a full disk occur at random. From the project's root, as root for the full disk:

  python -m benchmarks.chaos --minutes 30
  python -m benchmarks.chaos --minutes 2 --users 60 --seed 7
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import ssl
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from authd.emulator.process import EmulatorProcess
from benchmarks.chaotic.daemon import ChaosDaemon
from benchmarks.chaotic.events import Chaos
from benchmarks.chaotic.traffic import HOSTS, THROUGH_REAL, Traffic
from benchmarks.chaotic.truth import Generation, Truth
from benchmarks.clients.apiserver import APIServer
from benchmarks.clients.company import STRANGERS_ACCOUNT, users, write_directory
from benchmarks.clients.real_apiserver import RealAPIServer
from benchmarks.processes import choose_cores
from benchmarks.servers.daemon import SETTLE_SECONDS
from tests.e2e.rig.assets import find_assets
from tests.e2e.rig.control_plane import ControlPlane

_STRANGERS, _UNMAPPED = 20, 50
#: One of this many users logs in through a real kube-apiserver.
_REAL_SHARE = 5
#: Seconds between two samples of log, memory and descriptors, and for open connections to close at the end.
_SAMPLE_SECONDS, _COOL_DOWN_SECONDS = 5.0, 15.0
#: Seconds between two checks of the machine, and the delay that counts as a stall.
_BEAT_SECONDS, _STALL_SECONDS = 0.5, 0.5
#: Bounds for an idle daemon at the end: additional descriptors, and resident MB.
_MORE_DESCRIPTORS, _MOST_RESIDENT_MB = 5, 160.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="how long")
    parser.add_argument("--users", type=int, default=200, help="known users")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6, help="of everything random here")
    return parser.parse_args()


async def _watch_machine(chaos: Chaos, host: str) -> None:
    """Record when this machine is too busy for an emulated host or for the run: calls then time out without a fault."""
    while True:
        begin = time.monotonic()
        await asyncio.sleep(_BEAT_SECONDS)
        if host:  # unaffected by faults, and keeps the control connection open
            await chaos.control(host, chaos.emulators[host].counters)
        late = time.monotonic() - begin - _BEAT_SECONDS
        if late > _STALL_SECONDS:
            chaos.truth.stalled(host, late)


async def _watch(chaos: Chaos) -> None:
    while True:
        await asyncio.sleep(_SAMPLE_SECONDS)
        chaos.daemon.read_log()


async def _run(arguments: argparse.Namespace, chaos: Chaos) -> tuple[int, int, float]:
    """Run for the given time. Returns the idle daemon's descriptors before and after, and its memory after, in MB."""
    daemon, traffic = chaos.daemon, chaos.traffic
    before = daemon.descriptors()
    supervision = asyncio.create_task(daemon.supervise())
    work = [_watch(chaos), chaos.run(), *(_watch_machine(chaos, host) for host in ("", *HOSTS))]
    if traffic.real is None:
        work += [traffic.known_user(user) for user in traffic.known]
    else:
        work += [traffic.known_user_of(traffic.real, user) for user in traffic.known[::_REAL_SHARE]]
        work += [traffic.known_user(user) for n, user in enumerate(traffic.known) if n % _REAL_SHARE]
    work += [traffic.stranger() for _ in range(_STRANGERS)]
    tasks = [asyncio.create_task(each) for each in work]
    done, _ = await asyncio.wait(tasks, timeout=arguments.minutes * 60, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in done:
        task.result()  # they never end by themselves, so this raises the error
    traffic.api.close()
    if traffic.real is not None:
        traffic.real.close()
    chaos.flood_api.close()
    await asyncio.sleep(_COOL_DOWN_SECONDS)
    supervision.cancel()
    return before, daemon.descriptors(), daemon.resident_mb()


async def _set_up(arguments: argparse.Namespace, folder: Path, core: int, stack: ExitStack) -> Chaos:
    """Start the emulators and the daemon."""
    known, unmapped = users("user", arguments.users), users("stranger", _UNMAPPED, STRANGERS_ACCOUNT)
    directory = write_directory(folder / "directory.json", [*known, *unmapped])
    emulators = {
        host: stack.enter_context(
            EmulatorProcess("--directory", str(directory), "--ca-out", str(folder / f"{host}.pem"))
        )
        for host in HOSTS
    }
    daemon = ChaosDaemon(folder / "daemon", core)
    stack.callback(daemon.stop)
    daemon.journal.secrets.update(user.secret for user in (*known, *unmapped))
    truth, trust = Truth(), ssl.create_default_context()
    traffic = Traffic(api=APIServer(daemon.port, trust), truth=truth, known=known, unmapped=unmapped)
    flood_api = APIServer(daemon.port, trust, tries=1)
    chaos = Chaos(daemon=daemon, emulators=emulators, traffic=traffic, flood_api=flood_api, trust=trust, truth=truth)
    truth.generations.append(Generation(0, frozenset(), time.monotonic()))
    chaos.write(chaos.settings(0, frozenset()))
    daemon.start()
    await daemon.wait_until_ready()
    trust.load_verify_locations(daemon.disk.folder / "ca.pem")
    if (assets := find_assets()) is not None:
        cluster = ControlPlane(_new(folder / "cluster"), assets, folder / "daemon" / "kubeconfig.yaml", "v1")
        traffic.real = RealAPIServer(stack.enter_context(cluster))
    await asyncio.sleep(SETTLE_SECONDS)
    return chaos


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _report(arguments: argparse.Namespace, chaos: Chaos, at_rest: tuple[int, int, float]) -> bool:
    """Print the results. Returns whether nothing was wrong."""
    before, after, resident = at_rest
    truth, journal = chaos.truth, chaos.daemon.journal
    journal_faults = [f"{journal.leaks} secrets in the log"] if journal.leaks else []
    journal_faults += [f"traceback: {line}" for line in list(journal.tracebacks)[:3]]
    journal_faults += journal.ends[:10]
    through_real = truth.counts.pop(THROUGH_REAL, 0)
    grown = after > before + _MORE_DESCRIPTORS or resident > _MOST_RESIDENT_MB
    rows = {
        "logins": f"{truth.counts.total()} in {arguments.minutes:g} min, seed {arguments.seed}",
        THROUGH_REAL: str(through_real),
        **{name: str(count) for name, count in sorted(truth.counts.items())},
        "events": ", ".join(f"{name} {count}" for name, count in sorted(chaos.done.items())),
        "stalls of this machine": str(truth.stalls),
        "starts of the daemon": str(chaos.daemon.starts),
        "log": f"{journal.lines} lines, {journal.leaks} secrets, {journal.tracebacks.total()} tracebacks",
        "open descriptors at rest": f"{before} before, {after} after",
        "resident memory at rest": f"{resident:.1f} MB after",
        "failures": ", ".join(f"{name} {count}" for name, count in sorted(truth.failures.items())) or "none",
        "events without effect": str(len(chaos.failed)),
    }
    print("| chaos | |\n| --- | --- |")
    print("\n".join(f"| {name} | {value} |" for name, value in rows.items()))
    print("\n".join(["", *truth.examples, *chaos.failed[:20], *journal_faults]))
    wrong = bool(truth.failures or chaos.failed or journal_faults or grown)
    print("NOT reached" if wrong else "reached")
    return not wrong


async def _main(arguments: argparse.Namespace, folder: Path, core: int, stack: ExitStack) -> bool:
    chaos = await _set_up(arguments, folder, core, stack)
    at_rest = await _run(arguments, chaos)
    chaos.daemon.read_log()
    return _report(arguments, chaos, at_rest)


def main() -> None:
    """Run and report. The exit status is 1 if anything was wrong."""
    arguments = _arguments()
    random.seed(arguments.seed)
    cores = choose_cores()
    os.sched_setaffinity(0, {cores.around})
    with tempfile.TemporaryDirectory(prefix="authd-chaos-") as name, ExitStack() as stack:
        reached = asyncio.run(_main(arguments, Path(name), cores.server, stack))
    sys.exit(0 if reached else 1)


if __name__ == "__main__":
    main()
