from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from authd.client.fast.flags import parse_flags
from authd.state.certificate_checks import issuer_problem, name_problem
from authd.state.certificate_store import StateFiles

ROOT = Path(__file__).parents[2]
KOPS = ROOT / "deploy" / "kops"
NODE = "/srv/kubernetes/authd"
#: An `aws` that knows `s3 cp` between a bucket, here a folder, and files.
AWS = """#!/bin/sh
[ "$1 $2" = "s3 cp" ] || exit 2
shift 2
[ "$1" = --recursive ] && shift
from=$(echo "$1" | sed "s|^s3://|$BUCKETS/|") to=$(echo "$2" | sed "s|^s3://|$BUCKETS/|")
if [ -d "$from" ]; then cp -R "$from/." "$to"; else mkdir -p "$(dirname "$to")" && cp "$from" "$to"; fi
"""


def load(name):
    return yaml.safe_load((KOPS / name).read_text())


def hook():
    (found,) = load("cluster.yaml")["spec"]["hooks"]
    return found


@pytest.fixture
def environment(tmp_path):
    """PATH with authd and a stand-in for the AWS CLI, whose buckets are folders."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "aws").write_text(AWS)
    (programs / "aws").chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.defpath])
    return {"PATH": path, "BUCKETS": str(tmp_path / "s3"), "KOPS_STATE_STORE": "s3://my-kops-state"}


def test_from_the_laptop_to_the_node(environment, tmp_path):
    """The upload and the hook bring a pair to the node that its kubeconfig trusts and that the daemon can renew."""
    command = [KOPS / "upload.sh", "my-cluster.example.com"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    node = tmp_path / "node"
    node.mkdir()
    for line in re.findall(r"^ExecStart=(.+)$", hook()["manifest"], re.MULTILINE):
        if "chown" not in line or os.geteuid() == 0:
            here = line.replace(NODE, str(node / "authd"))
            subprocess.run(["sh", "-ec", here], env=environment, check=True, capture_output=True)
    files = StateFiles(folder=node / "authd")
    authority, leaf = (
        x509.load_pem_x509_certificate(path.read_bytes()) for path in (files.authority, files.certificate)
    )
    assert not issuer_problem(leaf, authority)
    assert not name_problem(leaf, "localhost")
    assert files.can_sign
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.folder.iterdir()} == {0o600}
    cluster = yaml.safe_load((files.folder / "kubeconfig.yaml").read_text())["clusters"][0]["cluster"]
    assert cluster["server"] == "https://localhost:21362/authenticate"


def test_the_hook(tmp_path):
    """The hook is a valid unit, and runs before kubelet on control-plane nodes alone."""
    assert (hook()["before"], hook()["roles"]) == (["kubelet.service"], ["Master"])
    unit = tmp_path / hook()["name"]
    unit.write_text(f"[Service]\n{hook()['manifest']}")
    if shutil.which("systemd-analyze"):
        ended = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
        assert [line for line in ended.stderr.splitlines() if str(unit) in line or unit.name in line] == []


def test_paths(kustomize):
    """The flag, the hook and the DaemonSet name one folder of the node, which belongs to the daemon's user."""
    flag = load("cluster.yaml")["spec"]["kubeAPIServer"]["authenticationTokenWebhookConfigFile"]
    assert flag == f"{NODE}/kubeconfig.yaml"
    pod = kustomize("overlays/kops")["DaemonSet"]["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["state"]["hostPath"]["path"] == NODE
    user = pod["containers"][0]["securityContext"]["runAsUser"]
    assert f"chown -R {user}:{user} {NODE}" in hook()["manifest"]


def test_cluster_ids(kustomize):
    """All files name one cluster."""
    settings = yaml.safe_load(kustomize("overlays/kops")["ConfigMap"]["data"]["config.yaml"])
    (user,) = load("kubeconfig.yaml")["users"]
    clusters = {load(name)["metadata"]["name"] for name in ("cluster.yaml", "cluster-managed.yaml")}
    assert clusters == {settings["clusterID"]} == {user["name"]}
    assert parse_flags(user["user"]["exec"]["args"]).cluster_id == user["name"]


def test_the_managed_addon():
    """Kops' own addon takes another image and mappings, by the names of its API."""
    aws = load("cluster-managed.yaml")["spec"]["authentication"]["aws"]
    assert aws.keys() == {"image", "backendMode", "identityMappings"}
    assert all(mapping.keys() == {"arn", "username", "groups"} for mapping in aws["identityMappings"])
    assert load("identity-mapping.yaml")["spec"].keys() == {"arn", "username", "groups"}
