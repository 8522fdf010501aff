"""Runs the installed commands with files and command lines collected from the field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import script

HERE = Path(__file__).parent
CASES = HERE / "cases"
EXPECTED: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "expected.yaml").read_text("utf-8"))

#: A settings file for command lines that need one.
SETTINGS = """\
clusterID: c1
server:
  mapRoles:
  - roleARN: arn:aws:iam::111122223333:role/Admins
    username: kube-admin
    groups: [system:masters]
"""


class FieldDaemon(DaemonProcess):
    """A daemon started with the given command line, to which only ports are added."""

    @property
    def command(self) -> list[str]:
        """The command line, with free ports."""
        return [*self._launcher, *self._arguments, "--port=0", "--health-port=0", "--log-format=json"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., FieldDaemon]]:
    """Return a function that starts a daemon by its whole command line."""
    evidence = Evidence()
    started: list[FieldDaemon] = []

    def begin(*command: str, environment: dict[str, str] | None = None, program: str = "") -> FieldDaemon:
        launcher = [program or script(command[0]), *command[1:]]
        folder = tmp_path / f"daemon{len(started)}"
        daemon = FieldDaemon(folder, evidence, launcher=launcher, environment=environment)
        started.append(daemon)
        return daemon.launch()

    yield begin
    for daemon in started:
        daemon.stop()
    assert evidence.leaks() == []


@pytest.fixture
def fill(tmp_path: Path) -> Callable[[str], list[str]]:
    """Return a function that reads a case's arguments and fills in its placeholders."""
    settings, state = tmp_path / "config.yaml", tmp_path / "state"
    settings.write_text(SETTINGS)

    def read(name: str) -> list[str]:
        text = (CASES / name).read_text("utf-8")
        return text.replace("@SETTINGS@", str(settings)).replace("@STATE@", str(state)).split()

    return read
