"""Nodes log in with {{EC2PrivateDNSName}}: a daemon, an emulated STS and an emulated EC2."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from authd.emulator.directory.sample import ACCOUNT
from authd.emulator.faults.plan import Fault
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.settings import role, settings_text, sts_at

INSTANCE, GONE = "i-0123456789abcdef0", "i-0000000000000dead"
HOST = "ec2.us-east-1.amazonaws.com"
NODE = ("ASIAEMULATORNODE0000", "node0/secret+key/of+the+emulator/0000000", "nodes+session/token==")
OTHER = ("ASIAEMULATORGONE0000", "gone0/secret+key/of+the+emulator/0000000", "others+session/token==")
DAEMON = ("AKIAEMULATORDAEMON00", "daemon/secret+key/of+the+emulator/000000")


def keys(key: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"id": key[0], "secret": key[1], **({"sessionToken": key[2]} if len(key) > 2 else {})}]


DIRECTORY = {
    "users": [{"account": ACCOUNT, "name": "authd", "accessKeys": keys(DAEMON)}],
    "roles": [
        {
            "account": ACCOUNT,
            "name": "Nodes",
            "sessions": [{"name": INSTANCE, "accessKeys": keys(NODE)}, {"name": GONE, "accessKeys": keys(OTHER)}],
        }
    ],
    "instances": [
        {"id": INSTANCE, "account": ACCOUNT, "privateDnsName": "ip-10-0-0-1.ec2.internal"},
        {"id": GONE, "account": ACCOUNT, "state": "terminated"},
    ],
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    folder = tmp_path_factory.mktemp("cloud")
    (folder / "directory.json").write_text(json.dumps(DIRECTORY))
    arguments = ("--directory", str(folder / "directory.json"), "--ca-out", str(folder / "ca.pem"))
    with EmulatorProcess(*arguments, "--host", f"{HOST}=us-east-1") as running:
        yield running


def test_nodes(make_daemon, mint, cloud: EmulatorProcess, tmp_path: Path) -> None:
    """A node's user name is its private DNS name. Without one it is refused, and throttling makes kube-apiserver retry."""
    sts = sts_at(cloud.port, cloud.ca)
    sts["endpoints"].append({"host": HOST, "connect": f"127.0.0.1:{cloud.port}", "signingRegion": "us-east-1"})
    nodes = role(f"arn:aws:iam::{ACCOUNT}:role/Nodes", "system:node:{{EC2PrivateDNSName}}", "system:nodes")
    environment = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": DAEMON[0], "AWS_SECRET_ACCESS_KEY": DAEMON[1]}
    text = settings_text(sts=sts, users=[], roles=[nodes], healthPort=0)
    with make_daemon(process={"environment": environment}, text=text) as daemon:
        cloud.inject(Fault.THROTTLE, times=1, action="DescribeInstances")
        token = mint.by_signer(NODE, expires=700)
        assert daemon.review(token).status == 429
        answer = daemon.review(token)
        assert answer.status == 200
        assert answer.user["username"] == "system:node:ip-10-0-0-1.ec2.internal"
        assert answer.user["groups"] == ["system:nodes"]
        refused = json.loads(daemon.review(mint.by_signer(OTHER, expires=700)).body)["status"]
        assert not refused["authenticated"]
        calls = cloud.counters().actions["DescribeInstances"]
        assert daemon.review(mint.by_signer(NODE, expires=700)).user["username"].endswith("ip-10-0-0-1.ec2.internal")
        assert cloud.counters().actions["DescribeInstances"] == calls
        assert DAEMON[1] not in daemon.said()


def test_a_changed_ca_file(make_daemon, mint, cloud: EmulatorProcess, tmp_path: Path) -> None:
    """Calls to EC2 trust a changed CA file without a restart, as those to STS do."""
    ca_file = tmp_path / "ec2.pem"
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    sts = sts_at(cloud.port, cloud.ca)
    endpoint = {
        "host": HOST,
        "connect": f"127.0.0.1:{cloud.port}",
        "signingRegion": "us-east-1",
        "caFile": str(ca_file),
    }
    sts["endpoints"].append(endpoint)
    nodes = role(f"arn:aws:iam::{ACCOUNT}:role/Nodes", "system:node:{{EC2PrivateDNSName}}", "system:nodes")
    environment = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": DAEMON[0], "AWS_SECRET_ACCESS_KEY": DAEMON[1]}
    text = settings_text(sts=sts, users=[], roles=[nodes], healthPort=0)
    with make_daemon(process={"environment": environment}, text=text) as daemon:
        token = mint.by_signer(NODE, expires=700)
        assert b"[instance_lookup_failed, " in daemon.review(token).body
        ca_file.write_bytes(Path(cloud.ca).read_bytes())
        daemon.wait_for_message("use the changed certificate authorities")
        assert daemon.review(token).user["username"].endswith("ip-10-0-0-1.ec2.internal")
