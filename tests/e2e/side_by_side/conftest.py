"""One STS with all callers for the whole folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from authd.emulator.process import EmulatorProcess
from tests.e2e.rig.assets import find_authenticator
from tests.e2e.side_by_side.company import write_directory
from tests.e2e.side_by_side.pair import Company
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint


@contextmanager
def running_company(
    folder: Path, mint: Mint, evidence: Evidence, *, partition: str = "aws", region: str = "us-east-1", host: str = ""
) -> Iterator[Company]:
    """Run an STS with all callers in a partition. `host` is its name there."""
    binary = find_authenticator()
    if binary is None:
        pytest.skip("aws-iam-authenticator is missing in KUBEBUILDER_ASSETS and PATH; `make e2e` builds it")
    callers = write_directory(folder / "directory.json", partition)
    tokens = {caller.name: mint.by_signer(caller.key, expires=900, region=region, host=host) for caller in callers}
    options = ["--directory", str(folder / "directory.json"), "--ca-out", str(folder / "ca.pem")]
    options += ["--host", f"{host}={region}"] if host else []
    with EmulatorProcess(*options) as emulator:
        yield Company(emulator=emulator, binary=binary, tokens=tokens, evidence=evidence, host=host)


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory, mint: Mint, evidence: Evidence) -> Iterator[Company]:
    with running_company(tmp_path_factory.mktemp("company"), mint, evidence) as company:
        yield company


#: The STS of each other partition that both programs know.
PARTITIONS = {
    "aws-cn": ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
    "aws-us-gov": ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
}


@pytest.fixture(scope="module", params=PARTITIONS)
def other_partition(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, mint: Mint, evidence: Evidence
) -> Iterator[tuple[str, Company]]:
    """Return the name of a partition, and its company."""
    region, host = PARTITIONS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    with running_company(folder, mint, evidence, partition=request.param, region=region, host=host) as company:
        yield request.param, company
