"""Ten thousand mappings from each source while the daemon serves: time, processor time, stalls and memory.

From the project's root, with the programs of `make e2e-assets`:

  python -m benchmarks.mappings
  python -m benchmarks.mappings --only DynamicFile EKSConfigMap --runs 1

Each source is switched on at run time, by `server.dynamicBackendModePath`, in a daemon that serves reviews. Then one
of its mappings is edited. A timer of a millisecond runs in the daemon's reactor. A stall is the processor time that the
reactor's thread uses between two ticks, so that other programs on the same machine add nothing to it. A gap is the
delay of a tick for any reason.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import yaml

from authd.emulator.process import EmulatorProcess
from benchmarks.clients.client import Client
from benchmarks.clients.company import User, write_directory
from benchmarks.clients.tokens import CLUSTER, FAST_HOST
from benchmarks.processes import Running, choose_cores
from benchmarks.servers import ticking
from benchmarks.servers.cluster import CONFIG_MAPS, running_cluster
from benchmarks.servers.daemon import SETTLE_SECONDS, environment
from tests.e2e.rig.control_plane import ControlPlane
from tests.e2e.rig.identities import IDENTITIES, create_identities
from tests.integration.rig.polling import wait_until

SOURCES = ("CRD", "DynamicFile", "EKSConfigMap")
#: The goal for each row: seconds until in force, and milliseconds of the longest stall.
_SECONDS, _STALL_MS = 5.0, 20.0
#: Seconds between two reviews.
_PAUSE_SECONDS = 0.02
#: Seconds after the mappings came into force that are included, because garbage is collected then.
_AFTER_SECONDS = 1.0
#: The largest size of a ConfigMap.
_CONFIG_MAP_BYTES = 1024 * 1024
_MANY_SECONDS = 120.0


class Tick(NamedTuple):
    """A late tick: its monotonic time in seconds, and its parts in milliseconds. See `benchmarks.servers.ticking`."""

    at: float
    late: float
    waited: float
    used: float


class Row(NamedTuple):
    """One measurement: seconds of time and of processor time, milliseconds, and a number of reviews."""

    seconds: float
    daemon: float
    cluster: float
    stall: float
    late: float
    review: float
    reviews: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A daemon with a switch for its sources, an API server, and a user who logs in."""

    daemon: Running
    folder: Path
    cluster: ControlPlane
    client: Client
    user: User

    def switch(self, *sources: str) -> None:
        """Replace the file with the order of the sources."""
        self._replace("mode.json", json.dumps({"backendMode": " ".join(sources)}))

    def write_dynamic_file(self, content: str) -> None:
        """Replace the dynamic file."""
        self._replace("dynamic.json", content)

    def lines(self, message: str) -> list[str]:
        """Return the daemon's log lines that match a regular expression."""
        return [line for line in self.daemon.log.read_text("utf-8").splitlines() if re.search(message, line)]

    def ticks(self, begin: float, end: float) -> list[Tick]:
        """Return the late ticks between two monotonic times."""
        lines = (self.folder / "ticks").read_text("utf-8").split("\n")[:-1]
        ticks = [Tick(*map(float, line.split())) for line in lines]
        return [tick for tick in ticks if begin <= tick.at <= end]

    def cluster_seconds(self) -> float:
        """Return the processor time of API server and etcd so far."""
        return sum(map(_cpu_seconds, (self.cluster.apiserver.pid, self.cluster.etcd.pid)))

    def measure(self, act: Callable[[], None], message: str) -> Row:
        """Call `act`, and measure until the daemon logs the message again."""
        before = len(self.lines(message))
        with self._reviewing() as times:
            begin, used, theirs = time.monotonic(), self.daemon.cpu_seconds(), self.cluster_seconds()
            act()
            wait_until(lambda: self.lines(message)[before:], repr(message), _MANY_SECONDS)
            end = time.monotonic()
            time.sleep(_AFTER_SECONDS)
            row = (end - begin, self.daemon.cpu_seconds() - used, self.cluster_seconds() - theirs)
        ticks = self.ticks(begin, time.monotonic())
        worst = max((tick.used for tick in ticks), default=0.0), max((tick.late for tick in ticks), default=0.0)
        return Row(*row, *worst, max(times) * 1e3, len(times))

    @contextmanager
    def _reviewing(self) -> Iterator[list[float]]:
        """Review tokens in a thread. Yields their durations. Exits if a token is not accepted."""
        times: list[float] = []
        stopped = threading.Event()

        def review() -> None:
            while not stopped.wait(_PAUSE_SECONDS):
                begin = time.perf_counter()
                status = self.client.status_of(self.user.token())
                times.append(time.perf_counter() - begin)
                if status.get("user", {}).get("username") != "known":
                    times.append(float("inf"))
                    return

        thread = threading.Thread(target=review)
        thread.start()
        try:
            yield times
        finally:
            stopped.set()
            thread.join()
        if float("inf") in times:
            raise SystemExit("a known user was not accepted")

    def _replace(self, name: str, content: str) -> None:
        new = self.folder / f"{name}.new"
        new.write_text(content)
        new.replace(self.folder / name)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def dynamic_file(count: int, generation: int = 0) -> str:
    """Return the text of a dynamic file with a number of entries."""
    rules = [
        {
            "rolearn": f"arn:aws:iam::111122223333:role/Team{number:05}",
            "username": f"team-{number:05}-{generation if not number else 0}:{{{{SessionName}}}}",
            "groups": [f"team-{number:05}", "developers"],
        }
        for number in range(count)
    ]
    return json.dumps({"LastUpdatedDateTime": "1764288000", "Version": "1", "mapRoles": rules}, indent=1)


def aws_auth(generation: int = 0) -> dict[str, object]:
    """Return the largest ConfigMap aws-auth that an API server accepts."""
    text = f"- rolearn: arn:aws:iam::111122223333:role/First\n  username: first-{generation}\n"
    entry = "- rolearn: arn:aws:iam::111122223333:role/Team{0:05}\n  username: team-{0:05}\n  groups:\n  - developers\n"
    count = (_CONFIG_MAP_BYTES - len(text) - len("mapRoles")) // len(entry.format(0))
    data = {"mapRoles": text + "".join(entry.format(number) for number in range(count))}
    metadata = {"name": "aws-auth", "namespace": "kube-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


@contextmanager
def running_rig(folder: Path, count: int) -> Iterator[Rig]:
    """Run all servers, with the contents of all sources written and no source switched on."""
    user = User.new("known")
    directory = write_directory(folder / "directory.json", [user])
    arguments = ("--directory", str(directory), "--ca-out", str(folder / "sts.pem"))
    with running_cluster() as cluster, EmulatorProcess(*arguments) as sts:
        create_identities(cluster, count)
        status, answer = cluster.request("POST", CONFIG_MAPS, aws_auth())
        if status != 201:
            raise SystemExit(f"the ConfigMap can't be created: {answer}")
        (folder / "dynamic.json").write_text(dynamic_file(count))
        (folder / "mode.json").write_text('{"backendMode": "MountedFile"}')
        (folder / "config.yaml").write_text(_settings(folder, cluster, sts, user))
        command = [sys.executable, ticking.__file__, str(folder / "ticks"), "--nodaemon", "--pidfile=", "authd"]
        log = folder / "log"
        with Running(
            [*command, "--config", str(folder / "config.yaml")], choose_cores().server, log, environment()
        ) as it:
            listening = wait_until(
                lambda: [line for line in log.read_text().splitlines() if "listening on https" in line],
                "the daemon to listen",
                _MANY_SECONDS,
            )
            ports = json.loads(listening[0])
            time.sleep(SETTLE_SECONDS)
            client = Client(ports["port"], ports["health_port"], folder / "state" / "ca.pem")
            yield Rig(daemon=it, folder=folder, cluster=cluster, client=client, user=user)
            client.close()


def _settings(folder: Path, cluster: ControlPlane, sts: EmulatorProcess, user: User) -> str:
    endpoint = {"host": FAST_HOST, "connect": f"127.0.0.1:{sts.port}"}
    server = {
        "port": 0,
        "healthPort": 0,
        "stateDir": str(folder / "state"),
        "generateKubeconfig": str(folder / "webhook.yaml"),
        "dynamicBackendModePath": str(folder / "mode.json"),
        "dynamicFilePath": str(folder / "dynamic.json"),
        "kubeconfig": str(cluster.admin_kubeconfig()),
        "sts": {"caFile": sts.ca, "endpoints": [endpoint], "timeout": "10s"},
        "mapUsers": [{"userARN": user.arn, "username": "known", "groups": []}],
    }
    return yaml.safe_dump({"clusterID": CLUSTER, "server": server})


def _edit(rig: Rig, source: str, count: int, generation: int) -> None:
    if source == "DynamicFile":
        rig.write_dynamic_file(dynamic_file(count, generation))
    elif source == "EKSConfigMap":
        rig.cluster.request("PUT", f"{CONFIG_MAPS}/aws-auth", aws_auth(generation))
    else:
        headers = {"Content-Type": "application/merge-patch+json"}
        patch = {"spec": {"username": f"edited-{generation}"}}
        rig.cluster.request("PATCH", f"{IDENTITIES}/team-00000", patch, headers=headers)


def measure_source(rig: Rig, source: str, count: int, runs: int) -> dict[str, Row]:
    """Switch a source on, edit it, and switch it off, several times. Returns the median of each figure."""
    loads, edits = [], []
    for generation in range(1, runs + 1):
        loads.append(rig.measure(partial(rig.switch, "MountedFile", source), f"sources in force: .*{source}"))
        edits.append(rig.measure(partial(_edit, rig, source, count, generation), f"{source}: [0-9]+ rules in force"))
        before = len(rig.lines("sources in force"))
        rig.switch("MountedFile")
        wait_until(lambda seen=before: rig.lines("sources in force")[seen:], "the switch", _MANY_SECONDS)
    return {f"{source}, loaded": _median(loads), f"{source}, edited": _median(edits)}


def _median(rows: Sequence[Row]) -> Row:
    return Row(*(statistics.median(values) for values in zip(*rows, strict=True)))


def main() -> int:
    """Print the table. Returns 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SOURCES, default=SOURCES, help="these sources")
    parser.add_argument("--count", type=int, default=10_000, help="number of mappings (10000)")
    parser.add_argument("--runs", type=int, default=3, help="runs, of which the table has the medians (3)")
    options = parser.parse_args()
    rows: dict[str, Row] = {}
    memory: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="authd-mappings-") as name, running_rig(Path(name), options.count) as rig:
        memory.append(("before", rig.daemon.resident_mb()))
        for source in options.only:
            rows |= measure_source(rig, source, options.count, options.runs)
            memory.append((f"after {source}", rig.daemon.resident_mb()))
    _print(rows, memory)
    reached = all(row.stall <= _STALL_MS and row.seconds <= _SECONDS for row in rows.values())
    return 0 if reached else 1


def _print(rows: dict[str, Row], memory: Sequence[tuple[str, float]]) -> None:
    print("| source | s until in force | CPU s, daemon | CPU s, API server and etcd | longest stall, ms "
          "| longest gap, ms | reviews | slowest review, ms |\n"
          "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")  # fmt: skip
    for name, row in rows.items():
        print(f"| {name} | {row.seconds:.2f} | {row.daemon:.2f} | {row.cluster:.2f} "
              f"| {row.stall:.1f} | {row.late:.1f} | {row.reviews:.0f} | {row.review:.1f} |")  # fmt: skip
    print("\nresident memory, MB: " + ", ".join(f"{name} {megabytes:.1f}" for name, megabytes in memory))
    print("load averages: " + " ".join(f"{load:.2f}" for load in os.getloadavg()))


if __name__ == "__main__":
    sys.exit(main())
