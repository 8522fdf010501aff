"""One emulator for the whole folder. All outputs are searched for secrets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from authd.emulator.process import EmulatorProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint


@pytest.fixture(scope="session")
def evidence() -> Iterator[Evidence]:
    collected = Evidence()
    yield collected
    assert collected.leaks() == []


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess("--ca-out", str(tmp_path_factory.mktemp("sts") / "ca.pem")) as running:
        yield running


@pytest.fixture(scope="session")
def mint(tmp_path_factory: pytest.TempPathFactory, evidence: Evidence) -> Mint:
    return Mint(home=tmp_path_factory.mktemp("home"), evidence=evidence)
