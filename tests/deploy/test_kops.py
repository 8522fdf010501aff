from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from authd.client.fast.flags import parse_flags
from authd.state.certificate_store import StateFiles
from tests.guides.rig.kops import run_unit

ROOT = Path(__file__).parents[2]
KOPS = ROOT / "deploy" / "kops"
NODE = "/srv/kubernetes"
#: An `aws` that supports `s3 cp` between files and buckets, which are folders here.
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
    """PATH with authd and a fake AWS CLI whose buckets are folders."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "aws").write_text(AWS)
    (programs / "aws").chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.defpath])
    return {"PATH": path, "BUCKETS": str(tmp_path / "s3"), "KOPS_STATE_STORE": "s3://my-kops-state"}


def test_from_the_laptop_to_the_node(environment, tmp_path):
    """The upload and the hook copy the CA to the node, and a kubeconfig that trusts it to kube-apiserver's folder."""
    command = [KOPS / "upload.sh", "my-cluster.example.com"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    node = tmp_path / "node"
    run_unit(hook()["manifest"], tmp_path, environment, lambda line: line.replace(NODE, str(node)))
    files = StateFiles(folder=node / "authd")
    assert files.can_sign
    assert not files.certificate.exists()  # each daemon signs its certificate
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700
    written = node / "kube-apiserver" / "authd.yaml"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    cluster = yaml.safe_load(written.read_text())["clusters"][0]["cluster"]
    assert cluster["server"] == "https://localhost:21362/authenticate"
    assert base64.b64decode(cluster["certificate-authority-data"]) == files.authority.read_bytes()


def test_a_failed_download(environment, tmp_path):
    """If the state store has no files yet, the unit fails before it writes kube-apiserver's file, and is restarted."""
    with pytest.raises(AssertionError, match="s3 cp"):
        run_unit(hook()["manifest"], tmp_path, environment, lambda line: line.replace(NODE, str(tmp_path / "node")))
    assert list((tmp_path / "node" / "kube-apiserver").iterdir()) == []


def test_the_hook(tmp_path):
    """The hook is a valid unit that systemd starts after the network and before kubelet, and restarts if it fails."""
    assert hook()["roles"] == ["Master"]
    assert hook()["useRawManifest"] is True  # otherwise kops sets neither After= nor a condition
    unit = tmp_path / hook()["name"]
    unit.write_text(hook()["manifest"])
    lines = set(hook()["manifest"].splitlines())
    assert lines >= {"Before=kubelet.service", "After=network-online.target containerd.service", "Restart=on-failure"}
    if shutil.which("systemd-analyze"):
        ended = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
        complaints = [line for line in ended.stderr.splitlines() if str(unit) in line or unit.name in line]
        # This machine lacks the node's programs and units.
        assert [line for line in complaints if "ctr" not in line and "containerd" not in line] == []


def test_paths(kustomize):
    """The flag, the hook and the DaemonSet name the folders of the node, and the state belongs to the daemon's user."""
    flag = load("cluster.yaml")["spec"]["kubeAPIServer"]["authenticationTokenWebhookConfigFile"]
    assert flag == f"{NODE}/kube-apiserver/authd.yaml"
    assert f"ConditionPathExists=!{flag}\n" in hook()["manifest"]
    pod = kustomize("overlays/kops")["DaemonSet"]["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["state"]["hostPath"]["path"] == f"{NODE}/authd"
    user = pod["containers"][0]["securityContext"]["runAsUser"]
    assert f"cd {NODE}/authd && chmod 0600 * && chown -R {user}:{user} ." in hook()["manifest"]


def test_cluster_ids(kustomize):
    """All files name one cluster."""
    settings = yaml.safe_load(kustomize("overlays/kops")["ConfigMap"]["data"]["config.yaml"])
    (user,) = load("kubeconfig.yaml")["users"]
    clusters = {load(name)["metadata"]["name"] for name in ("cluster.yaml", "cluster-managed.yaml")}
    clusters.add(yaml.safe_load(load("configmap.yaml")["data"]["config.yaml"])["clusterID"])
    assert clusters == {settings["clusterID"]} == {user["name"]}
    assert parse_flags(user["user"]["exec"]["args"]).cluster_id == user["name"]


def test_the_managed_addon():
    """The managed addon of kops accepts another image and mappings, under the names of its API."""
    aws = load("cluster-managed.yaml")["spec"]["authentication"]["aws"]
    assert aws.keys() == {"image", "memoryRequest", "memoryLimit", "backendMode", "identityMappings"}
    assert all(mapping.keys() == {"arn", "username", "groups"} for mapping in aws["identityMappings"])
    assert load("identity-mapping.yaml")["spec"].keys() == {"arn", "username", "groups"}
