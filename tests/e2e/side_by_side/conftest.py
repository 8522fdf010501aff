"""One STS with all callers for the whole folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from authd.emulator.process import EmulatorProcess
from tests.e2e.rig.assets import find_authenticator
from tests.e2e.side_by_side.company import write_directory
from tests.e2e.side_by_side.pair import Company
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory, mint: Mint, evidence: Evidence) -> Iterator[Company]:
    binary = find_authenticator()
    if binary is None:
        pytest.skip("aws-iam-authenticator is missing in KUBEBUILDER_ASSETS and PATH; `make e2e` builds it")
    folder = tmp_path_factory.mktemp("company")
    callers = write_directory(folder / "directory.json")
    tokens = {caller.name: mint.by_signer(caller.key, expires=900) for caller in callers}
    options = ("--directory", str(folder / "directory.json"), "--ca-out", str(folder / "ca.pem"))
    with EmulatorProcess(*options) as emulator:
        yield Company(emulator=emulator, binary=binary, tokens=tokens, evidence=evidence)
