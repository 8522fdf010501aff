"""aws-iam-authenticator and authd, with one settings file and one STS, return the same user for the same token."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from authd.emulator.process import EmulatorProcess
from tests.e2e.rig.assets import find_authenticator
from tests.e2e.side_by_side.authenticator import AuthenticatorProcess
from tests.e2e.side_by_side.company import Caller, write_directory
from tests.e2e.side_by_side.differences import DIFFERENCES
from tests.e2e.side_by_side.settings import REFUSED, SETTINGS, settings_file
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint
from tests.integration.rig.settings import sts_at
from tests.integration.rig.tls_server import connect_proxy
from tests.integration.rig.webhook_client import Answer

BINARY = find_authenticator()
if BINARY is None:
    pytest.skip(
        "the comparison needs aws-iam-authenticator in KUBEBUILDER_ASSETS or PATH; `make e2e` builds it",
        allow_module_level=True,
    )

#: authd's only: the newer spelling of `principalId`, which the Go program has since 0.7.
PREFIXED_PRINCIPAL_ID = "sigs.k8s.io/aws-iam-authenticator/principalId"
User = Mapping[str, Any]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmulatorProcess, tuple[Caller, ...]]]:
    folder = tmp_path_factory.mktemp("company")
    callers = write_directory(folder / "directory.json")
    with EmulatorProcess("--directory", str(folder / "directory.json"), "--ca-out", str(folder / "ca.pem")) as emulator:
        yield emulator, callers


@pytest.fixture(scope="module")
def tokens(company: tuple[EmulatorProcess, tuple[Caller, ...]], mint: Mint) -> Mapping[str, str]:
    """Return a token of each caller, which both programs are asked about."""
    return {caller.name: mint.by_signer(caller.key, expires=900) for caller in company[1]}


def user_in(answer: Answer) -> User | None:
    """Return the user in an answer, None if it lets nobody in."""
    if answer.status == 403:  # the Go program refuses with it
        return None
    assert answer.status == 200, (answer.status, answer.body)
    status = json.loads(answer.body)["status"]
    if not status.get("authenticated"):
        return None
    user = dict(status["user"])
    return {"groups": [], "extra": {}} | user


def without_prefixed_id(user: User | None) -> User | None:
    """Return a user of authd's without the key that only authd has, which must say the same as the older one."""
    if user is None or not user["extra"]:
        return user
    extra = dict(user["extra"])
    assert extra.pop(PREFIXED_PRINCIPAL_ID) == extra["principalId"]
    return {**user, "extra": extra}


@pytest.mark.parametrize("name", SETTINGS)
def test_both_return_the_same_user(
    name: str,
    company: tuple[EmulatorProcess, tuple[Caller, ...]],
    tokens: Mapping[str, str],
    tmp_path: Path,
    evidence: Evidence,
) -> None:
    """Name, groups, UID and extra are the same for every caller, but for the differences that are listed."""
    emulator, _ = company
    sts = yaml.safe_dump({"sts": sts_at(emulator.port, emulator.ca), "healthPort": 0})
    (tmp_path / "go").mkdir()
    with connect_proxy(emulator.port) as (proxy_port, _):
        theirs = AuthenticatorProcess(str(BINARY), tmp_path / "go", proxy_port=proxy_port, ca_file=emulator.ca)
        ours = DaemonProcess(tmp_path / "authd", evidence)
        theirs.settings.write_text(settings_file(SETTINGS[name], theirs.port))
        ours.settings.write_text(settings_file(SETTINGS[name], theirs.port, sts=sts))
        with theirs, ours, ours.client() as authd:
            found = {
                caller: users
                for caller, token in tokens.items()
                if not equal(
                    users := (user_in(theirs.review(token, "v1beta1")), user_in(authd.review(token, "v1beta1")))
                )
            }
    expected = {caller for differences in DIFFERENCES.get(name, {}).values() for caller in differences}
    assert set(found) == expected, {caller: found.get(caller, "the same") for caller in set(found) ^ expected}


def equal(users: tuple[User | None, User | None]) -> bool:
    """Tell whether the Go program's user and authd's are one."""
    return users[0] == without_prefixed_id(users[1])


@pytest.mark.parametrize("name", REFUSED)
def test_authd_refuses_faulty_files_at_its_start(
    name: str, company: tuple[EmulatorProcess, tuple[Caller, ...]], tmp_path: Path, evidence: Evidence
) -> None:
    """The daemon ends with a message for a fault that aws-iam-authenticator starts with."""
    text, message = REFUSED[name]
    (tmp_path / "go").mkdir()
    theirs = AuthenticatorProcess(str(BINARY), tmp_path / "go", proxy_port=1, ca_file=company[0].ca)
    theirs.settings.write_text(settings_file(text, theirs.port))
    with theirs:
        ours = DaemonProcess(tmp_path / "authd", evidence)
        ours.settings.write_text(settings_file(text, theirs.port))
        ours.launch()
        assert ours.wait() != 0
        assert message in ours.said()


def test_every_difference_is_documented() -> None:
    """Each kind of difference has a section in differences.md, and each section of it is seen here."""
    document = (Path(__file__).parents[1] / "differences.md").read_text("utf-8")
    seen = {kind for kinds in DIFFERENCES.values() for kind in kinds} | {"Files that authd refuses"}
    documented = set(re.findall(r"^### (.+)$", document, re.MULTILINE))
    assert documented == seen
