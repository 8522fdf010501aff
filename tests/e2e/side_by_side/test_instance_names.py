"""aws-iam-authenticator and authd give the same names to nodes, with the same responses of EC2."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from authd.emulator.process import EmulatorProcess
from tests.e2e.rig.assets import find_authenticator
from tests.e2e.side_by_side.company import ACCOUNT, PARTNER
from tests.e2e.side_by_side.pair import Company, both
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint, credentials_in_environment

EC2_HOST = "ec2.us-east-1.amazonaws.com"
NAMED, SHORT, GONE = "i-0123456789abcdef0", "i-0123abcd", "i-0000000000000dead"
UNKNOWN, FOREIGN, NO_ID = "i-00000000000000bad", "i-0f0f0f0f0f0f0f0f0", "alice@example.com"
SESSIONS = (NAMED, SHORT, GONE, UNKNOWN, FOREIGN, NO_ID, "i-short")
INSTANCES = (
    {"id": NAMED, "account": ACCOUNT, "privateDnsName": "ip-10-0-0-1.ec2.internal"},
    {"id": SHORT, "account": ACCOUNT, "privateDnsName": "ip-10-0-0-2.eu-west-1.compute.internal"},
    {"id": GONE, "account": ACCOUNT, "state": "terminated"},
    {"id": FOREIGN, "account": PARTNER, "privateDnsName": "ip-10-9-9-9.ec2.internal"},
)
DAEMON = ("AKIASIDEBYSIDEDAEMON", "secret/of+the+daemons/00000000000000000")
DESCRIBER = f"arn:aws:iam::{ACCOUNT}:role/Describer"
NODE = f"{{roleARN: 'arn:aws:iam::{ACCOUNT}:role/Node', "
NODES = f"mapRoles: [{NODE}username: 'system:node:{{{{EC2PrivateDNSName}}}}', groups: [system:bootstrappers, system:nodes]}}]\n"

SETTINGS: Mapping[str, str] = {
    "nodes": NODES,
    "nodes, described by a role": f"{NODES}ec2DescribeInstancesRoleARN: {DESCRIBER}\n",
    "nodes beside their whole account": f"{NODES}mapAccounts: ['{ACCOUNT}']\n",
    "reserved names of nodes": f"{NODES}reservedPrefixConfig:\n"
    "- {backendMode: MountedFile, usernamePrefixReserveList: ['system:']}\n",
    "names in groups": f"mapRoles: [{NODE}username: 'node-{{{{SessionName}}}}', "
    "groups: ['{{EC2PrivateDNSName}}', 'of-{{AccountID}}-{{EC2PrivateDNSName}}-{{EC2PrivateDNSName}}']}]\n",
    "names of users": f"mapUsers: [{{userARN: 'arn:aws:iam::{ACCOUNT}:user/bob', "
    "username: '{{EC2PrivateDNSName}}', groups: []}]\n",
}
#: The callers with a user, by settings.
MAPPED = {
    "nodes": {
        NAMED: "system:node:ip-10-0-0-1.ec2.internal",
        SHORT: "system:node:ip-10-0-0-2.eu-west-1.compute.internal",
    },
    "nodes, described by a role": {NAMED: "system:node:ip-10-0-0-1.ec2.internal"},
    "names in groups": {NAMED: f"node-{NAMED}"},
}


def key(number: int) -> dict[str, str]:
    return {
        "id": f"ASIASIDEBYSIDE{number:06}",
        "secret": f"secret/of+{number:030}",
        "sessionToken": f"token/{number}==",
    }


def directory() -> dict[str, Any]:
    sessions = [{"name": name, "accessKeys": [key(number)]} for number, name in enumerate(SESSIONS)]
    own = {"id": DAEMON[0], "secret": DAEMON[1]}
    bob = {"id": "AKIASIDEBYSIDEBOB000", "secret": "secret/of+bob/000000000000000000000000"}
    return {
        "users": [
            {"account": ACCOUNT, "name": "authd", "accessKeys": [own]},
            {"account": ACCOUNT, "name": "bob", "accessKeys": [bob]},
        ],
        "roles": [
            {"account": ACCOUNT, "name": "Node", "sessions": sessions},
            {"account": ACCOUNT, "name": "Describer", "trusts": [f"arn:aws:iam::{ACCOUNT}:root"]},
        ],
        "instances": list(INSTANCES),
    }


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, mint: Mint, evidence: Evidence) -> Iterator[Company]:
    """Run an STS and EC2 with instances, and give both programs credentials for it."""
    binary = find_authenticator()
    if binary is None:
        pytest.skip("aws-iam-authenticator is missing in KUBEBUILDER_ASSETS and PATH; `make e2e` builds it")
    folder, content = tmp_path_factory.mktemp("nodes"), directory()
    (folder / "directory.json").write_text(json.dumps(content))
    keys = {each["name"]: tuple(each["accessKeys"][0].values()) for each in content["roles"][0]["sessions"]}
    keys["bob"] = tuple(content["users"][1]["accessKeys"][0].values())
    tokens = {name: mint.by_signer(key, expires=900) for name, key in keys.items()}
    options = ("--directory", str(folder / "directory.json"), "--ca-out", str(folder / "ca.pem"))
    with EmulatorProcess(*options, "--host", f"{EC2_HOST}=us-east-1") as emulator:
        yield Company(
            emulator=emulator,
            binary=binary,
            tokens=tokens,
            evidence=evidence,
            ec2_host=EC2_HOST,
            environment={"AWS_REGION": "us-east-1", **credentials_in_environment(DAEMON)},
        )


@pytest.mark.parametrize("name", SETTINGS)
def test_both_give_nodes_the_same_names(name: str, nodes: Company, tmp_path: Path) -> None:
    """Name, groups, UID and extra are the same for every session, whether its name is an instance's or not."""
    with both(nodes, tmp_path, SETTINGS[name]) as pair:
        pair.check("MountedFile", name)
        for caller, username in MAPPED.get(name, {}).items():
            theirs, ours = pair.users(caller)
            assert theirs is not None
            assert ours is not None
            assert theirs["username"] == ours["username"] == username


def test_an_instance_without_a_name(nodes: Company, tmp_path: Path) -> None:
    """Both refuse a terminated instance at first. After that the Go program accepts it with the cached empty name."""
    with both(nodes, tmp_path, SETTINGS["nodes"]) as pair:
        assert pair.users(GONE) == (None, None)
        theirs, ours = pair.users(GONE)
        assert ours is None
        assert theirs is not None
        assert theirs["username"] == "system:node:"
