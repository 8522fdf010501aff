"""The daemon under measurement, started as a service would be: `twistd authd`, logging JSON lines to a file."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.nginx import STS
from benchmarks.processes import Running
from benchmarks.tokens import CLUSTER

_START_SECONDS = 30.0
_LISTENING = "listening on "

#: The rule that every caller of `sts.lua` is mapped by: whose name it is shows in the answer.
RULE = (
    '  - {roleARN: "arn:aws:iam::123456789012:role/Bench", username: "bench:{{SessionNameRaw}}", groups: [bench]}\n'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A daemon that listens; `started` is how many seconds it took from its start to that."""

    running: Running
    folder: Path
    port: int
    health_port: int
    started: float

    @property
    def state(self) -> Path:
        """The state directory, with the certificate that is served."""
        return self.folder / "state"

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.folder / "config.yaml"

    def decisions(self) -> Counter[str]:
        """Count what the log says was decided so far, by reason."""
        with self.running.log.open() as log:
            records = (json.loads(line) for line in log if '"decision":' in line)
            return Counter(record["reason"] for record in records)


def settings_text(folder: Path, sts: STS, *, options: Mapping[str, str] | None = None, rules: str = RULE) -> str:
    """Write a settings file's text; `options` are lines of `server.sts`."""
    endpoints = "".join(
        f"    - {{host: {host}, connect: '127.0.0.1:{port}', caFile: {sts.ca_file}}}\n" for host, port in sts.ports.items()
    )
    given = "".join(f"    {name}: {value}\n" for name, value in (options or {}).items())
    return (
        f"clusterID: {CLUSTER}\nserver:\n  port: 0\n  healthPort: 0\n  stateDir: {folder}/state\n"
        f"  generateKubeconfig: {folder}/kubeconfig.yaml\n"
        f"  sts:\n{given}    endpoints:\n{endpoints}  mapRoles:\n{rules}"
    )


def twistd(settings: Path) -> list[str]:
    """Return the command that starts the daemon, of the same installation that runs this program."""
    return [str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile=", "authd", "--config", str(settings)]


def environment() -> dict[str, str]:
    """Return the environment without what slows Python down: an installed daemon has its .pyc files."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def start_daemon(
    folder: Path, core: int, sts: STS, *, options: Mapping[str, str] | None = None, rules: str = RULE
) -> Daemon:
    """Start a daemon and wait until it listens; exits with its log where it does not."""
    folder.mkdir()
    settings = folder / "config.yaml"
    settings.write_text(settings_text(folder, sts, options=options, rules=rules))
    begin = time.monotonic()
    running = Running(twistd(settings), core, folder / "daemon.log", environment())
    while time.monotonic() < begin + _START_SECONDS and running.process.poll() is None:
        for line in running.log.read_text().splitlines():
            if f'"message":"{_LISTENING}' in line:
                record = json.loads(line)
                return Daemon(
                    running=running,
                    folder=folder,
                    port=record["port"],
                    health_port=record["health_port"],
                    started=time.monotonic() - begin,
                )
        time.sleep(0.001)
    raise SystemExit(f"the daemon did not start: {running.log.read_text()[-2000:]}")
