"""Settings files for the daemons of these tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from authd.emulator.directory.sample import ACCOUNT
from tests.integration.rig.minting import CLUSTER

ALICE = f"arn:aws:iam::{ACCOUNT}:user/team/alice"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/Admin"
DEVELOPER = f"arn:aws:iam::{ACCOUNT}:role/team/Developer"

#: The hosts in these tests' tokens. The emulator's certificate lacks one of them.
REGIONS = (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1",
    "eu-west-2", "eu-west-3", "ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "sa-east-1",
)  # fmt: skip
DISABLED_REGION = "ap-east-1"
UNPROVEN_REGION = "af-south-1"
STS_HOSTS = (
    "sts.amazonaws.com",
    *(f"sts.{region}.amazonaws.com" for region in (*REGIONS, DISABLED_REGION, UNPROVEN_REGION)),
)


def user(arn: str, username: str, *groups: str) -> dict[str, Any]:
    """Return an entry of `mapUsers`."""
    return {"userARN": arn, "username": username, "groups": list(groups)}


def role(arn: str, username: str, *groups: str) -> dict[str, Any]:
    """Return an entry of `mapRoles`."""
    return {"roleARN": arn, "username": username, "groups": list(groups)}


USUAL_USERS = (user(ALICE, "alice", "devs", "on-call"), user(BOB, "bob", "ops"))
USUAL_ROLES = (
    role(ADMIN, "admin:{{SessionName}}", "system:masters"),
    role(DEVELOPER, "developer-{{AccountID}}-{{SessionNameRaw}}", "devs"),
)


def settings_text(
    *,
    sts: Mapping[str, Any],
    users: Iterable[Mapping[str, Any]] = USUAL_USERS,
    roles: Iterable[Mapping[str, Any]] = USUAL_ROLES,
    **server: Any,
) -> str:
    """Return the text of a settings file. `server` has further settings of that section."""
    content = {
        "clusterID": CLUSTER,
        "server": {**server, "sts": dict(sts), "mapUsers": list(users), "mapRoles": list(roles)},
    }
    return yaml.safe_dump(content, sort_keys=False)


def sts_at(port: int, ca_file: str, **further: Any) -> dict[str, Any]:
    """Return the section `sts` that connects every host of these tests to one port of loopback."""
    endpoints = [{"host": host, "connect": f"127.0.0.1:{port}"} for host in STS_HOSTS]
    return {"caFile": ca_file, "endpoints": endpoints, "timeout": "10s", **further}
