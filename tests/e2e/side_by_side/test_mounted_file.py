"""aws-iam-authenticator and authd return the same user for the same token, with one settings file and one STS."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.side_by_side.authenticator import AuthenticatorProcess
from tests.e2e.side_by_side.company import ACCOUNT
from tests.e2e.side_by_side.pair import Company, both
from tests.e2e.side_by_side.settings import REFUSED, SETTINGS, settings_file
from tests.integration.rig.daemon import DaemonProcess


@pytest.mark.parametrize("name", SETTINGS)
def test_both_return_the_same_user(name: str, company: Company, tmp_path: Path) -> None:
    """Name, groups, UID and extra are the same for every caller, except for the documented differences."""
    with both(company, tmp_path, SETTINGS[name]) as pair:
        pair.check("MountedFile", name)


@pytest.mark.parametrize("name", ["placeholders", "accounts beside rules", "roots and federated users"])
def test_both_return_the_same_user_in_other_partitions(
    name: str, other_partition: tuple[str, Company], tmp_path: Path
) -> None:
    """In China and in GovCloud the callers have the same users as in the other regions."""
    partition, company = other_partition
    server = f"partition: {partition}\n" + SETTINGS[name].replace("arn:aws:", f"arn:{partition}:")
    with both(company, tmp_path, server) as pair:
        assert None not in pair.users(f"{ACCOUNT}:root")
        pair.check("MountedFile", name)


@pytest.mark.parametrize("name", REFUSED)
def test_authd_refuses_faulty_files_at_the_start(name: str, company: Company, tmp_path: Path) -> None:
    """The daemon ends with a message for an error that aws-iam-authenticator ignores."""
    text, message = REFUSED[name]
    (tmp_path / "go").mkdir()
    theirs = AuthenticatorProcess(company.binary, tmp_path / "go", proxy_port=1, ca_file=company.emulator.ca)
    theirs.settings.write_text(settings_file(text, theirs.port))
    with theirs:
        ours = DaemonProcess(tmp_path / "authd", company.evidence)
        ours.settings.write_text(settings_file(text, theirs.port))
        ours.launch()
        assert ours.wait() != 0
        assert message in ours.said()
