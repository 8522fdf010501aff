"""A control-plane node: its machine, reviews by its daemon, and the durations of the steps."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.boot.rig.aws import ACCOUNT, ALICE, Person
from tests.boot.rig.documents import ROOT
from tests.boot.rig.machine import Machine
from tests.integration.rig.polling import wait_until

CLUSTER = "my-cluster.example.com"
KUBECONFIG = "/etc/kubernetes/authd/kubeconfig.yaml"
SETTINGS = "/etc/authd/config.yaml"
_START_SECONDS = 180.0
_HEALTH = "http://127.0.0.1:21363"


@dataclass(slots=True)
class Node:
    """`bin` is the folder of authd's commands, `python` the daemon's, and `suite` the release."""

    machine: Machine
    suite: str
    bin: str
    python: str
    _begun: float = field(init=False)
    _cpu: float = field(init=False)

    def __post_init__(self) -> None:
        self._begun, self._cpu = time.monotonic(), self.machine.cpu_seconds()

    def step(self, what: str) -> None:
        """Print the seconds since the installation began, and the CPU time of the node."""
        elapsed, cpu = time.monotonic() - self._begun, self.machine.cpu_seconds() - self._cpu
        print(f"{self.suite}: {elapsed:.0f} s, CPU {cpu:.0f} s: {what}", flush=True)

    def authd(self, arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an `authd` command as root."""
        return self.machine.try_to(f"{self.bin}/authd {arguments}")

    def readiness(self) -> str:
        """Return the lines of /readyz."""
        return self._health("/readyz")

    def wait_until_ready(self) -> None:
        """Wait until no line of /readyz reports a problem."""
        wait_until(lambda: _is_good(self.readiness()), f"{self.suite} to be ready", _START_SECONDS)

    def metrics(self) -> dict[str, float]:
        """Return the values of /metrics by their names with labels."""
        lines = [line for line in self._health("/metrics").splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def _health(self, path: str) -> str:
        script = (
            f"import sys, urllib.request as u, urllib.error as e\ntry: r = u.urlopen({_HEALTH + path!r}, timeout=5)\n"
        )
        script += "except e.HTTPError as x: r = x\nexcept OSError: sys.exit()\nsys.stdout.write(r.read().decode())"
        command = self.machine.command(self.python, "-I", "-c", script)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    def token(self, person: Person = ALICE) -> str:
        """Mint a token as a person."""
        script = f"{self.bin}/authd-token --cluster-id {CLUSTER} --token-only"
        return self.machine.run(script, **person.environment).strip()

    def review(self, token: str, kubeconfig: str | None = None) -> dict[str, int]:
        """Review a token once, and return the outcome."""
        return self._finish(self._start_load(token, "--reviews=1", kubeconfig=kubeconfig))

    def reviews(self, token: str, number: int) -> dict[str, int]:
        """Review a token many times on four connections, and return the outcomes."""
        return self._finish(self._start_load(token, "--kept", f"--reviews={number}"))

    @contextmanager
    def under_load(self) -> Iterator[dict[str, int]]:
        """Review a token without a pause, each time on a new connection. The outcomes are complete after the block."""
        outcomes: dict[str, int] = {}
        running = self._start_load(self.token())
        try:
            time.sleep(1)
            yield outcomes
            time.sleep(1)
        finally:
            running.terminate()
        outcomes.update(self._finish(running))

    def _start_load(self, token: str, *options: str, kubeconfig: str | None = None) -> subprocess.Popen[str]:
        path = str(self.machine.root / (kubeconfig or KUBECONFIG).lstrip("/"))
        command = [sys.executable, "-m", "tests.boot.rig.load", path, str(self._report), *options]
        load = subprocess.Popen(
            self.machine.in_network(*command), cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert load.stdin is not None
        load.stdin.write(token)
        load.stdin.close()
        load.stdin = None
        return load

    @property
    def _report(self) -> Path:
        return self.machine.root.parent / "load.json"

    def _finish(self, load: subprocess.Popen[str]) -> dict[str, int]:
        _, errors = load.communicate(timeout=300)
        assert load.returncode == 0, errors
        return dict(json.loads(self._report.read_text()))

    def change_settings(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the settings file."""
        path = self.machine.root / SETTINGS.lstrip("/")
        content = yaml.safe_load(path.read_text())
        change(content)
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    def map_user(self, person: Person) -> None:
        """Add a mapping for a person, unless there is one."""
        user = {"userARN": f"arn:aws:iam::{ACCOUNT}:user/{person.name}", "username": person.name}

        def add(content: dict[str, Any]) -> None:
            users = content["server"].setdefault("mapUsers", [])
            if user["userARN"] not in [each["userARN"] for each in users]:
                users.append(user)

        self.change_settings(add)

    def journal(self, options: str) -> list[dict[str, Any]]:
        """Return entries of the journal."""
        return [json.loads(line) for line in self.machine.run(f"journalctl --no-pager -o json {options}").splitlines()]

    def owners(self, folder: str) -> set[str]:
        """Return the owners of a folder and all its files."""
        return set(self.machine.run(f"find -H {folder} -printf '%u\\n'").split())


def _is_good(readiness: str) -> bool:
    lines = readiness.splitlines()
    return bool(lines) and all(line.startswith("[+]") for line in lines if line.startswith("["))
