"""The daemon under measurement, started as a service: `twistd authd` with JSON lines in a file."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients.tokens import CLUSTER
from benchmarks.processes import Running
from benchmarks.servers.nginx import STS

#: Seconds after which a listening daemon has finished its start.
SETTLE_SECONDS = 2.0
_START_SECONDS = 30.0
_LISTENING = '"message":"listening on '

#: The rule for every caller of `sts.lua`. The user name contains the caller's kind.
RULE = '  - {roleARN: "arn:aws:iam::123456789012:role/Bench", username: "bench:{{SessionNameRaw}}", groups: [bench]}\n'
_TEAM_RULE = (
    '  - {{roleARN: "arn:aws:iam::{account:012d}:role/Team-{n}", username: "team-{n}:{{{{SessionName}}}}", '
    "groups: [teams]}}\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A listening daemon. `started` is the duration of its start in seconds."""

    running: Running
    folder: Path
    port: int
    health_port: int
    started: float

    @property
    def state(self) -> Path:
        """The state directory, with the serving certificate."""
        return self.folder / "state"

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.folder / "config.yaml"

    def empty_log(self) -> None:
        """Empty the log, because a million reviews would fill the disk."""
        os.truncate(self.running.log, 0)


def many_rules(count: int, generation: int) -> str:
    """Return a number of `mapRoles`, with the caller's rule last. Its group names the generation."""
    rules = (_TEAM_RULE.format(account=100_000_000_000 + n, n=n) for n in range(count - 1))
    return "".join(rules) + RULE.replace("[bench]", f"[generation-{generation}]")


def settings_text(
    folder: Path, sts: STS, *, options: Mapping[str, str] | None = None, rules: str = RULE, port: int = 0
) -> str:
    """Return the text of a settings file. `options` are lines of `server.sts`. Port 0 picks a free one."""
    endpoint = "    - {{host: {host}, connect: '127.0.0.1:{port}', caFile: {ca_file}}}\n"
    endpoints = "".join(endpoint.format(host=h, port=p, ca_file=sts.ca_file) for h, p in sts.ports.items())
    settings = {"callsPerSecond": "100000", **(options or {})}  # so that the limit does not bound the measurement
    given = "".join(f"    {name}: {value}\n" for name, value in settings.items())
    return (
        f"clusterID: {CLUSTER}\nserver:\n  port: {port}\n  healthPort: 0\n  stateDir: {folder}/state\n"
        f"  generateKubeconfig: {folder}/kubeconfig.yaml\n"
        f"  sts:\n{given}    endpoints:\n{endpoints}  mapRoles:\n{rules}"
    )


def twistd(settings: Path) -> list[str]:
    """Return the command that starts the daemon with this installation."""
    program = str(Path(sys.executable).with_name("twistd"))
    return [program, "--nodaemon", "--pidfile=", "authd", "--config", str(settings)]


def environment() -> dict[str, str]:
    """Return the environment without variables that slow Python down, since an installed daemon has .pyc files."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def start_daemon(
    folder: Path, core: int, sts: STS, *, options: Mapping[str, str] | None = None, rules: str = RULE, port: int = 0
) -> Daemon:
    """Start a daemon and wait until it listens. Exits with its log if it does not."""
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(settings_text(folder, sts, options=options, rules=rules, port=port))
    return start_again(folder, core)


def start_again(folder: Path, core: int) -> Daemon:
    """Start a daemon in a folder that has its settings."""
    log = folder.with_suffix(".log")  # not beside the settings, since the daemon watches that folder
    log.unlink(missing_ok=True)
    begin = time.monotonic()
    running = Running(twistd(folder / "config.yaml"), core, log, environment())
    while time.monotonic() < begin + _START_SECONDS and running.process.poll() is None:
        record = next((json.loads(line) for line in log.read_text().splitlines() if _LISTENING in line), None)
        if record is not None:
            started = time.monotonic() - begin
            port, health_port = record["port"], record["health_port"]
            return Daemon(running=running, folder=folder, port=port, health_port=health_port, started=started)
        time.sleep(0.001)
    running.end()
    raise SystemExit(f"the daemon did not start: {log.read_text()[-2000:]}")
