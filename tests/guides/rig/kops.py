"""Clusters of kops. Its own code parses the specs, and returns the flags, units and addon for them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from authd.cli.bootstrap.shared_ca import ensure_shared
from authd.state.certificate_store import StateFiles
from authd.state.kubeconfig import webhook_kubeconfig
from authd.state.x509 import new_leaf
from tests.guides.rig.clusters import CONFIG_FLAG, installer, start_with
from tests.guides.rig.machine import CLUSTER, ROOT, Machine, is_root
from tests.guides.rig.pods import Pod

KOPS = ROOT / "deploy" / "kops"
#: The user of the addon's container.
_USER = 10000

#: A small cluster on AWS as created by `kops create cluster`. The guide's part is added to it.
_CLUSTER: dict[str, Any] = {
    "apiVersion": "kops.k8s.io/v1alpha2",
    "kind": "Cluster",
    "metadata": {"name": CLUSTER},
    "spec": {
        "api": {"dns": {}},
        "authorization": {"rbac": {}},
        "channel": "stable",
        "cloudProvider": "aws",
        "configBase": f"s3://my-kops-state/{CLUSTER}",
        "etcdClusters": [
            {
                "name": name,
                "cpuRequest": "100m",
                "memoryRequest": "100Mi",
                "etcdMembers": [{"instanceGroup": "control-plane-us-east-1a", "name": "a"}],
            }
            for name in ("main", "events")
        ],
        "iam": {"allowContainerRegistry": True},
        "kubelet": {"anonymousAuth": False},
        "kubernetesApiAccess": ["0.0.0.0/0"],
        "kubernetesVersion": "1.36.0",
        "masterPublicName": f"api.{CLUSTER}",
        "networkCIDR": "172.20.0.0/16",
        "networking": {"cilium": {}},
        "nonMasqueradeCIDR": "100.64.0.0/10",
        "serviceClusterIPRange": "100.64.0.0/13",
        "sshAccess": ["0.0.0.0/0"],
        "subnets": [{"cidr": "172.20.32.0/19", "name": "us-east-1a", "type": "Public", "zone": "us-east-1a"}],
    },
}


def check(part: Path, folder: Path) -> dict[str, Any]:
    """Return the flags, units and addon that kops generates for a cluster with this part of a spec.

    Fails if kops does not know a field.
    """
    cluster = json.loads(json.dumps(_CLUSTER))
    cluster["spec"] |= yaml.safe_load(part.read_text())["spec"]
    file = folder / "kops-cluster.yaml"
    file.write_text(yaml.safe_dump(cluster))
    done = subprocess.run([installer("kops-check"), file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def kops(machine: Machine) -> None:
    """Kops has replaced the control-plane nodes: the hook has run, and kube-apiserver has the flags."""
    made = check(KOPS / "cluster.yaml", machine.folder)
    run_unit(made["units"]["authd-files.service"], machine.folder, machine.environment, machine.translated)
    flags = dict(each.removeprefix("--").split("=", 1) for each in made["flags"])
    # The only folder for users' files that nodeup mounts into kube-apiserver.
    assert Path(flags[CONFIG_FLAG]).parent == Path("/srv/kubernetes/kube-apiserver")
    start_with(machine, flags)


def run_unit(unit: str, folder: Path, environment: Mapping[str, str], translated: Callable[[str], str]) -> None:
    """Run the commands of a unit with translated paths. Those of `ctr` run without a container."""
    variables = dict(re.findall(r"^Environment=(\w+)=(.*)$", unit, re.MULTILINE))
    for line in re.findall(r"^ExecStart(?:Pre)?=(.+)$", unit, re.MULTILINE):
        filled = re.sub(r"\$\{(\w+)\}", lambda match: variables[match[1]], line)
        if command := _command(shlex.split(translated(filled))):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=folder)
            assert done.returncode == 0, f"{line}\n{done.stderr}"


def _command(words: list[str]) -> list[str]:
    """Return the command to run here, empty if there is nothing to run."""
    if Path(words[0]).name == "ctr":
        return _in_container(words)
    if is_root():
        return words
    return [re.sub(r"&& chown [^&]*", "", word) for word in words]  # only root can change owners


def _in_container(command: list[str]) -> list[str]:
    """Return the command of `ctr run`, with the mount's target replaced by its source. Empty for other verbs."""
    if "run" not in command:
        return []
    mount = dict(pair.split("=", 1) for pair in command[command.index("--mount") + 1].split(",") if "=" in pair)
    inside = command[command.index("authd-files") + 1 :]
    return [re.sub(rf"^{re.escape(mount['dst'])}(?=/|$)", mount["src"], word) for word in inside]


def kops_addon(machine: Machine) -> None:
    """Kops has replaced the control-plane nodes of a cluster with its addon, whose files nodeup wrote."""
    machine.stop_processes()
    made = check(KOPS / "cluster-managed.yaml", machine.folder)
    state = Path(machine.translated("/srv/kubernetes/aws-iam-authenticator"))
    state.mkdir(parents=True)
    # The pair is signed by the cluster's CA, which is in nodeup's kubeconfig. Its key is not on the node.
    authority = machine.folder / "kops-ca"
    ensure_shared(authority, datetime.now(UTC))
    _sign(authority, state)
    # nodeup writes this kubeconfig to /etc/kubernetes/authn.config, with the name 127.0.0.1.
    file = machine.folder / "authn.config"
    pem = (authority / "ca.pem").read_bytes()
    file.write_bytes(webhook_kubeconfig(host="127.0.0.1", port=machine.port, authority_pem=pem))
    start_with(machine, {CONFIG_FLAG: str(file)})
    addon = machine.folder / "addon.yaml"
    addon.write_text(made["addon"])
    _apply(machine, addon)


def addon_pods(machine: Machine) -> None:
    """Kubelet has started the addon's pod. The administrator stands in for its service account."""
    assert machine.cluster is not None
    kubeconfig = machine.cluster.admin_kubeconfig()
    if is_root():
        kubeconfig.chmod(0o644)
    more = machine.folder / "addon-config.yaml"
    more.write_text(machine.settings_of("{}"))
    more_flags = ["--config", str(more), "--kubeconfig", str(kubeconfig)]
    Pod(machine, "kube-system", "aws-iam-authenticator").start(*more_flags)


def _sign(authority: Path, state: Path) -> None:
    """Write the server's pair as nodeup does, with two names, and owned by the user of the addon's container."""
    leaf = new_leaf(StateFiles(folder=authority).read_authority(), ["localhost", "127.0.0.1"], datetime.now(UTC))
    if is_root():
        os.chown(state, _USER, _USER)
    StateFiles(folder=state).put_pair(leaf)


def _apply(machine: Machine, addon: Path) -> None:
    """Apply the addon repeatedly as kops does, until the API server knows the custom resource."""
    for _ in range(20):
        with suppress(AssertionError):
            machine.run(f"kubectl apply -f {addon}")
            return
        time.sleep(0.5)
    machine.run(f"kubectl apply -f {addon}")
