"""aws-iam-authenticator and authd with the same settings and STS, and their responses for the same tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from authd.emulator.process import EmulatorProcess
from tests.e2e.side_by_side.authenticator import AuthenticatorProcess
from tests.e2e.side_by_side.company import CANARY
from tests.e2e.side_by_side.differences import DIFFERENCES
from tests.e2e.side_by_side.settings import settings_file
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import sts_at
from tests.integration.rig.tls_server import connect_proxy
from tests.integration.rig.webhook_client import Response, WebhookClient

#: Only authd adds it, as newer releases of the Go program do.
PREFIXED_PRINCIPAL_ID = "sigs.k8s.io/aws-iam-authenticator/principalId"
_VERSION = "v1beta1"
User = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """The STS, the path of the Go program, and each caller's token by the caller's name."""

    emulator: EmulatorProcess
    binary: str
    tokens: Mapping[str, str]
    evidence: Evidence
    #: The STS host of the tokens, if it is not among the usual settings.
    host: str = ""
    #: The host of EC2, and the variables with AWS credentials for both programs, if needed.
    ec2_host: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both programs, running."""

    company: Company
    theirs: AuthenticatorProcess
    ours: WebhookClient

    def users(self, caller: str) -> tuple[User | None, User | None]:
        """Return the users that the Go program and authd return for a caller, None for a refusal."""
        token = self.company.tokens[caller]
        return user_in(self.theirs.review(token, _VERSION)), user_in(self.ours.review(token, _VERSION))

    def differing(self) -> dict[str, tuple[User | None, User | None]]:
        """Return both users for each caller with a difference."""
        found = {caller: self.users(caller) for caller in self.company.tokens}
        return {caller: users for caller, users in found.items() if users[0] != _without_prefixed_id(users[1])}

    def check(self, source: str, name: str) -> None:
        """Assert that the differences are the documented ones."""
        documented = DIFFERENCES[source].get(name, {})
        expected = {caller for callers in documented.values() for caller in callers}
        found = self.differing()
        unexpected = {caller: found.get(caller, "the same") for caller in set(found) ^ expected}
        assert not unexpected, f"callers with other differences than the documented ones: {unexpected}"

    def check_soon(self, source: str, name: str) -> None:
        """Check once both map the canary, because some sources are read after the start, rule by rule."""
        wait_until(lambda: None not in self.users(CANARY), "both programs to read the source")

        def found() -> bool:
            try:
                self.check(source, name)
            except AssertionError:
                return False
            return True

        try:
            wait_until(found, "both programs to agree", seconds=5)
        except AssertionError:
            self.check(source, name)


def user_in(answer: Response) -> User | None:
    """Return the user in a response, None for a refusal."""
    if answer.status == 403:  # the Go program's status for a refusal
        return None
    assert answer.status == 200, (answer.status, answer.body)
    status = json.loads(answer.body)["status"]
    if not status.get("authenticated"):
        return None
    return {"groups": [], "extra": {}} | dict(status["user"])


def _without_prefixed_id(user: User | None) -> User | None:
    """Return authd's user without the key that only authd adds. Checks that it equals the older key."""
    if user is None or not user["extra"]:
        return user
    extra = dict(user["extra"])
    assert extra.pop(PREFIXED_PRINCIPAL_ID) == extra["principalId"]
    return {**user, "extra": extra}


@contextmanager
def both(company: Company, folder: Path, server: str) -> Iterator[Pair]:
    """Run both programs with one section `server`."""
    emulator = company.emulator
    sts = sts_at(emulator.port, emulator.ca)
    if company.host:
        sts["endpoints"] = [{"host": company.host, "connect": f"127.0.0.1:{emulator.port}"}]
    if company.ec2_host:
        address = {"connect": f"127.0.0.1:{emulator.port}", "signingRegion": "us-east-1"}
        sts["endpoints"].append({"host": company.ec2_host, **address})
    ours_alone = yaml.safe_dump({"sts": sts, "healthPort": 0})
    (folder / "go").mkdir()
    with connect_proxy(emulator.port) as (proxy_port, _):
        theirs = AuthenticatorProcess(
            company.binary,
            folder / "go",
            proxy_port=proxy_port,
            ca_file=emulator.ca,
            environment=company.environment,
        )
        ours = DaemonProcess(folder / "authd", company.evidence, environment=dict(company.environment))
        theirs.settings.write_text(settings_file(server, theirs.port))
        ours.settings.write_text(settings_file(server, theirs.port, sts=ours_alone))
        with theirs, ours, ours.client() as client:
            yield Pair(company=company, theirs=theirs, ours=client)
