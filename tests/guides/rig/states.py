"""The states of a machine in the guides, by their names in the pages.

They replace everything that a test can't run: kubelet, the installers' machines, and AWS.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import socket
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from authd.emulator.directory.sample import ACCOUNT, WEB_IDENTITY_TOKEN
from tests.guides.assets.installers import find_custom_resources
from tests.guides.rig.clusters import (
    CONFIG_FLAG,
    VERSION_FLAG,
    installer,
    kubeadm_control_plane,
    plain_cluster,
    start_with,
)
from tests.guides.rig.kops import addon_pods, kops, kops_addon
from tests.guides.rig.kubeadm import KubeadmControlPlane
from tests.guides.rig.machine import Machine
from tests.guides.rig.pods import Pod
from tests.integration.rig.minting import script
from tests.integration.rig.polling import wait_until
from tests.integration.rig.ports import free_port

SETTINGS = """\
clusterID: my-cluster.example.com
server:
  mapRoles:
  - roleARN: arn:aws:iam::111122223333:role/KubernetesAdmin
    username: "admin:{{SessionName}}"
    groups: [system:masters]
  - roleARN: arn:aws:iam::111122223333:role/Pipeline
    username: "ci:{{SessionName}}"
    groups: [deployers]
  mapUsers:
  - userARN: arn:aws:iam::111122223333:user/alice
    username: alice
    groups: [developers]
"""

#: The output of `aws eks describe-access-entry` and `list-associated-access-policies`.
_ENTRIES = (
    {
        "accessEntry": {
            "clusterName": "my-cluster", "principalArn": f"arn:aws:iam::{ACCOUNT}:role/KubernetesAdmin",
            "kubernetesGroups": [], "type": "STANDARD", "tags": {},
            "username": f"arn:aws:sts::{ACCOUNT}:assumed-role/KubernetesAdmin/{{{{SessionName}}}}",
        }
    },
    {
        "clusterName": "my-cluster", "principalArn": f"arn:aws:iam::{ACCOUNT}:role/KubernetesAdmin",
        "associatedAccessPolicies": [
            {
                "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
                "accessScope": {"type": "cluster", "namespaces": []},
            }
        ],
    },
    {
        "accessEntry": {
            "clusterName": "my-cluster", "principalArn": f"arn:aws:iam::{ACCOUNT}:user/alice",
            "kubernetesGroups": ["developers"], "username": "alice", "type": "STANDARD", "tags": {},
        }
    },
)  # fmt: skip


def kubeadm(machine: Machine) -> None:
    """A control-plane node by kubeadm."""
    machine.start(kubeadm_control_plane(machine))


def edited_settings(machine: Machine) -> None:
    """The reader has edited the example, with this machine's ports, paths and STS."""
    machine.write("/etc/authd/config.yaml", machine.settings.read_text())


def kubelet(machine: Machine) -> None:
    """Kubelet has restarted kube-apiserver with the current manifest. For a new cluster, kubeadm writes it first."""
    configuration = machine.work / "kubeadm.yaml"
    if machine.cluster is None:
        cluster = kubeadm_control_plane(machine)
        cluster.write_manifest(yaml.safe_load(machine.translated(configuration.read_text()))["apiServer"])
        machine.start(cluster)
        return
    machine.cluster.stop_apiserver()
    machine.cluster.start_apiserver()


def new_cluster(machine: Machine) -> None:
    """The daemon runs, and there is no cluster yet. The manifest is as kubeadm writes it."""
    assert isinstance(machine.cluster, KubeadmControlPlane)
    assert machine.manifest.read_bytes() == machine.cluster.made_manifest.read_bytes()
    machine.stop_cluster()
    machine.manifest.unlink()


def kubeadm_cluster(machine: Machine) -> None:
    """A cluster of kubeadm without authd."""
    machine.systemctl("stop")
    machine.forget_files()
    (machine.work / "kubeadm.yaml").unlink()
    kubeadm(machine)


def new_node(machine: Machine) -> None:
    """A node without files of authd."""
    machine.systemctl("stop")
    machine.forget_files()
    machine.write("/etc/authd/config.yaml", SETTINGS)


def installed(machine: Machine) -> None:
    """Authd is installed on the nodes with the settings `authd.yaml`."""
    machine.write("/etc/authd/config.yaml", (machine.work / "authd.yaml").read_text())
    machine.run("authd init -c /etc/authd/config.yaml")
    machine.systemctl("start")


def kubespray(machine: Machine) -> None:
    """Kubespray has built the cluster. Its template passes the variables to kubeadm in this form."""
    variables = yaml.safe_load((machine.work / "inventory/mycluster/group_vars/k8s_cluster/authd.yml").read_text())
    arguments = variables["kube_kubeadm_apiserver_extra_args"]
    cluster = kubeadm_control_plane(machine)
    cluster.write_manifest(
        {
            "extraArgs": [{"name": name, "value": value} for name, value in arguments.items()],
            "extraVolumes": variables["apiserver_extra_volumes"],
        }
    )
    machine.start(cluster)


def k3s(machine: Machine) -> None:
    """k3s has restarted with its configuration."""
    configuration = yaml.safe_load((machine.folder / "rancher/k3s/config.yaml.d/authd.yaml").read_text())
    assert configuration.keys() == {"kube-apiserver-arg+"}
    start_with(machine, dict(argument.split("=", 1) for argument in configuration["kube-apiserver-arg+"]))


def rke2(machine: Machine) -> None:
    """RKE2 has restarted with its configuration, and mounted the folder."""
    configuration = yaml.safe_load((machine.folder / "rancher/rke2/config.yaml.d/authd.yaml").read_text())
    flags = dict(argument.split("=", 1) for argument in configuration["kube-apiserver-arg+"])
    (mount,) = configuration["kube-apiserver-extra-mount+"]
    folder = str(Path(flags[CONFIG_FLAG]).parent)
    assert mount == f"{folder}:{folder}:ro"
    start_with(machine, flags)


def talos(machine: Machine) -> None:
    """Talos has applied the patch: it wrote the files as root, and started kube-apiserver as another user."""
    patch = machine.work / "authd-patch.yaml"
    page = machine.work / "page.yaml"
    page.write_text(machine.translated(patch.read_text(), back=True))
    done = subprocess.run([installer("talos-check"), page], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    configuration = next(yaml.safe_load_all(done.stdout))
    for file in configuration["machine"]["files"]:
        place = Path(machine.translated(file["path"]))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(machine.translated(file["content"]))
        place.chmod(int(str(file["permissions"]), 0))  # 0o600 is a string in YAML 1.1
    apiserver = configuration["cluster"]["apiServer"]
    seen = Path(machine.translated(apiserver["extraArgs"][CONFIG_FLAG]))
    assert seen.stat().st_mode & 0o004, "kube-apiserver's user can't read it"
    volumes = {volume["mountPath"]: volume["hostPath"] for volume in apiserver["extraVolumes"]}
    assert volumes[str(Path(apiserver["extraArgs"][CONFIG_FLAG]).parent)] == machine.translated(
        str(seen.parent), back=True
    )
    start_with(machine, apiserver["extraArgs"])


def management_cluster(machine: Machine) -> None:
    """A management cluster with the custom resources of Cluster API."""
    files = find_custom_resources()
    if not files:
        pytest.skip("needs the custom resources of Cluster API: run `make installer-assets`")
    plain_cluster(machine)
    for file in files:
        machine.run(f"kubectl apply --server-side -f {shlex.quote(str(file))}")
    names = " ".join(f"crd/{yaml.safe_load(file.read_text())['metadata']['name']}" for file in files)
    machine.run(f"kubectl wait --for condition=established --timeout 60s {names}")


def cluster_api(machine: Machine) -> None:
    """Cluster API has created a control-plane machine of the workload cluster."""
    path = (
        "/apis/controlplane.cluster.x-k8s.io/v1beta2/namespaces/default/kubeadmcontrolplanes/my-cluster-control-plane"
    )
    spec = machine.get(path)["spec"]["kubeadmConfigSpec"]
    for file in spec["files"]:
        source = file["contentFrom"]["secret"]
        place = Path(machine.translated(file["path"]))
        place.parent.mkdir(parents=True, exist_ok=True)
        secret = machine.get(f"/api/v1/namespaces/default/secrets/{source['name']}")["data"]
        place.write_bytes(base64.b64decode(secret[source["key"]]))
        place.chmod(int(file["permissions"], 8))
    text = yaml.safe_dump(spec["clusterConfiguration"]["apiServer"])
    cluster = kubeadm_control_plane(machine)
    cluster.write_manifest(yaml.safe_load(machine.translated(text)))
    machine.start(cluster)


def pods(machine: Machine) -> None:
    """Kubelet has started the DaemonSet's pod."""
    Pod(machine, "authd", "authd").start()


def access_entries(machine: Machine) -> None:
    """The access entries were exported."""
    (machine.work / "entries.json").write_text("\n".join(json.dumps(entry, indent=4) for entry in _ENTRIES))


def keys(machine: Machine) -> None:
    """The reader has keys, without settings for the emulator."""
    machine.run("unset AWS_ENDPOINT_URL_STS AWS_CA_BUNDLE")


def cluster(machine: Machine) -> None:
    """A cluster with authd, and a user `me` in the reader's kubeconfig."""
    machine.write("/etc/authd/config.yaml", SETTINGS)
    machine.run("authd init -c /etc/authd/config.yaml")
    machine.systemctl("start")
    start_with(machine, {CONFIG_FLAG: str(machine.kubeconfig), VERSION_FLAG: "v1"})
    machine.run(
        "authd kubeconfig add my-cluster.example.com --cluster my-cluster --alias me"
        " --role arn:aws:iam::111122223333:role/KubernetesAdmin"
    )


def aws(machine: Machine) -> None:
    """An emulated AWS account with the user alice."""
    port = free_port()
    server = subprocess.Popen(
        [script("moto_server"), "-H", "127.0.0.1", "-p", str(port)], env={**os.environ, "MOTO_ACCOUNT_ID": ACCOUNT},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    machine.processes.append(server)
    machine.account_url = f"http://127.0.0.1:{port}"
    wait_until(lambda: _listens(port), "moto to listen")
    machine.run("aws iam create-user --user-name alice")


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def ci_job(machine: Machine) -> None:
    """A job of a CI system: it has an identity token and no keys."""
    (machine.work / "id-token").write_text(WEB_IDENTITY_TOKEN)
    machine.run("unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY")


STATES: Mapping[str, Callable[[Machine], None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        kubeadm, edited_settings, kubelet, new_cluster, kubeadm_cluster, new_node, installed, kubespray, k3s, rke2, talos,
        management_cluster, cluster_api, pods, access_entries, keys, cluster, aws, ci_job, kops, kops_addon, addon_pods,
    )
}  # fmt: skip
