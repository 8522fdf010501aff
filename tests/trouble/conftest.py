"""An emulated STS with faults on demand, and daemons that call it."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from authd.emulator.faults.plan import Fault
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Key, Mint
from tests.integration.rig.settings import USUAL_USERS, settings_text, sts_at, user
from tests.trouble.rig.evidence import SearchableEvidence

#: The account in the emulator's wrong responses. It is mapped, so that a daemon that believes one accepts a user.
INTRUDER = "666666666666"

_LAST = "test_no_secret_was_said"
_FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the search for leaked secrets after all other tests."""
    items.sort(key=lambda item: item.path.stem == _LAST and item.path.parent == Path(__file__).parent)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the measured figures. No test asserts them."""
    if config.stash[_FIGURES]:
        terminalreporter.section("measured in tests/trouble")
        for line in config.stash[_FIGURES]:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that adds a line to the summary at the end of the run."""
    return request.config.stash[_FIGURES].append


@pytest.fixture(scope="session")
def evidence() -> Iterator[Evidence]:
    collected = SearchableEvidence()
    yield collected
    assert collected.leaks() == []


@pytest.fixture(scope="session")
def emulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess("--ca-out", str(tmp_path_factory.mktemp("sts") / "ca.pem")) as running:
        running.inject(Fault.GZIP_BOMB, times=1)  # its first use takes a second
        trust = ssl.create_default_context(cafile=running.ca)
        with closing(http.client.HTTPSConnection("localhost", running.port, context=trust)) as connection:
            connection.request("GET", "/")
            connection.getresponse().read()
        yield running


@pytest.fixture
def emulator(emulator_process: EmulatorProcess) -> Iterator[EmulatorProcess]:
    """The emulator, without faults before and after the test."""
    yield emulator_process
    emulator_process.clear()
    emulator_process.set_clock_offset(0)


@pytest.fixture(scope="session")
def sts(emulator_process: EmulatorProcess) -> dict[str, Any]:
    """The section `sts` of a settings file for the emulator, with a short timeout."""
    return sts_at(emulator_process.port, emulator_process.ca, timeout="1500ms")


@pytest.fixture(scope="session")
def mint(tmp_path_factory: pytest.TempPathFactory, evidence: Evidence) -> Mint:
    return Mint(home=tmp_path_factory.mktemp("home"), evidence=evidence)


@pytest.fixture(scope="session")
def new_token(mint: Mint) -> Callable[..., str]:
    """Return a function that mints distinct tokens."""
    number = count()

    def make(key: Key, *, region: str = "us-east-1", **further: Any) -> str:
        seconds_ago, expires = divmod(next(number), 600)
        return mint.by_signer(key, region=region, expires=300 + expires, **{"seconds_ago": seconds_ago, **further})

    return make


@pytest.fixture(scope="session")
def settings(sts: dict[str, Any]) -> Callable[..., str]:
    """Return a function that writes settings files with mappings of the usual users and the intruder."""
    users = (*USUAL_USERS, user(f"arn:aws:iam::{INTRUDER}:root", "intruder", "system:masters"))

    def write(**server: Any) -> str:
        return settings_text(**{"sts": sts, "users": users, "healthPort": 0, **server})

    return write


@pytest.fixture(scope="module")
def shared_daemon(
    tmp_path_factory: pytest.TempPathFactory, evidence: Evidence, settings: Callable[..., str]
) -> Iterator[Callable[..., DaemonProcess]]:
    """Start a daemon shared by the tests of a module with the same settings. Tests must not change it."""
    started: dict[str, DaemonProcess] = {}

    def start(**server: Any) -> DaemonProcess:
        text = settings(**server)
        if text not in started:
            daemon = started[text] = DaemonProcess(tmp_path_factory.mktemp("shared"), evidence)
            daemon.settings.write_text(text)
            daemon.start()
        assert started[text].process.poll() is None, started[text].said()
        return started[text]

    yield start
    for daemon in started.values():
        daemon.stop()


@pytest.fixture
def make_daemon(
    tmp_path: Path, evidence: Evidence, settings: Callable[..., str], emulator: EmulatorProcess
) -> Iterator[Callable[..., DaemonProcess]]:
    """Make a daemon for one test, not yet started. `process` has arguments of the process, the rest are settings."""
    made: list[DaemonProcess] = []

    def make(*, process: dict[str, Any] | None = None, **server: Any) -> DaemonProcess:
        daemon = DaemonProcess(tmp_path / f"daemon{len(made)}", evidence, **(process or {}))
        daemon.settings.write_text(settings(**server))
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        if hasattr(daemon, "process"):
            daemon.stop()
