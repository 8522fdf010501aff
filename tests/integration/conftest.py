"""One emulator and one daemon for all tests that don't change them, and factories for others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint
from tests.integration.rig.settings import DISABLED_REGION, settings_text, sts_at

_LAST = "test_secrets"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the search for secrets after all other tests."""
    items.sort(key=lambda item: item.path.stem == _LAST and item.path.parent == Path(__file__).parent)


@pytest.fixture(scope="session")
def evidence() -> Iterator[Evidence]:
    collected = Evidence()
    yield collected
    assert collected.leaks() == []


@pytest.fixture(scope="session")
def emulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    ca = tmp_path_factory.mktemp("sts") / "ca.pem"
    with EmulatorProcess(
        "--ca-out", str(ca), "--host", f"sts.{DISABLED_REGION}.amazonaws.com={DISABLED_REGION}"
    ) as running:
        yield running


@pytest.fixture
def emulator(emulator_process: EmulatorProcess) -> Iterator[EmulatorProcess]:
    """Return the emulator, without faults before and after the test."""
    yield emulator_process
    emulator_process.clear()
    emulator_process.set_clock_offset(0)


@pytest.fixture(scope="session")
def sts(emulator_process: EmulatorProcess) -> dict[str, Any]:
    """Return the section `sts` of a settings file for the emulator."""
    return sts_at(emulator_process.port, emulator_process.ca)


@pytest.fixture(scope="session")
def mint(tmp_path_factory: pytest.TempPathFactory, evidence: Evidence) -> Mint:
    return Mint(home=tmp_path_factory.mktemp("home"), evidence=evidence)


@pytest.fixture(scope="session")
def shared_daemon(
    tmp_path_factory: pytest.TempPathFactory, evidence: Evidence, sts: dict[str, Any]
) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(tmp_path_factory.mktemp("daemon"), evidence)
    daemon.settings.write_text(settings_text(sts=sts, healthPort=0))
    with daemon:
        yield daemon


@pytest.fixture
def daemon(shared_daemon: DaemonProcess, emulator: EmulatorProcess) -> DaemonProcess:
    """Return the daemon with the usual settings and an STS without faults. Tests must not change it."""
    assert shared_daemon.process.poll() is None, shared_daemon.said()
    return shared_daemon


@pytest.fixture
def make_daemon(
    tmp_path: Path, evidence: Evidence, sts: dict[str, Any], emulator: EmulatorProcess
) -> Iterator[Callable[..., DaemonProcess]]:
    """Make a daemon for one test, not yet started. The arguments are those of `settings_text`."""
    made: list[DaemonProcess] = []

    def make(*, process: dict[str, Any] | None = None, text: str | None = None, **server: Any) -> DaemonProcess:
        daemon = DaemonProcess(tmp_path / f"daemon{len(made)}", evidence, **(process or {}))
        if text is None:
            text = settings_text(**{"sts": sts, "healthPort": 0, **server})
        daemon.settings.write_text(text)
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        if hasattr(daemon, "process"):
            daemon.stop()
