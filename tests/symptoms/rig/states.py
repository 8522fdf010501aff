"""The states of a node in the pages, by their names in the pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from authd.emulator.directory.sample import ACCOUNT, ALICE_KEY, BOB_KEY
from authd.emulator.faults.plan import Fault, Phase
from authd.state.certificate_store import StateFiles
from authd.state.kubeconfig import webhook_kubeconfig
from authd.state.x509 import new_ca, new_leaf
from tests.symptoms.rig.node import Node

#: The emulated STS's directory, in the format of `--directory`.
DIRECTORY = {
    "users": [
        {"account": ACCOUNT, "name": name, "path": path, "accessKeys": [{"id": key[0], "secret": key[1]}]}
        for name, path, key in (("alice", "/team/", ALICE_KEY), ("bob", "/", BOB_KEY))
    ],
    "roles": [
        {"account": ACCOUNT, "name": name, "trusts": [f"arn:aws:iam::{ACCOUNT}:root"]}
        for name in ("Admin", "KubernetesNode")
    ],
}
MAPPINGS = f"""\
  mapRoles:
  - roleARN: arn:aws:iam::{ACCOUNT}:role/Admin
    username: "admin:{{{{SessionName}}}}"
    groups: [system:masters]
  mapUsers:
  - userARN: arn:aws:iam::{ACCOUNT}:user/team/alice
    username: alice
    groups: [developers]
"""
_BOB = f"""\
  - userARN: arn:aws:iam::{ACCOUNT}:user/bob
    username: "bob"
    groups: [developers]
"""
_NODE = f"""\
  - roleARN: arn:aws:iam::{ACCOUNT}:role/KubernetesNode
    username: "system:node:{{{{SessionName}}}}"
    groups: [system:bootstrappers, system:nodes]
  mapUsers:
"""


def usual(node: Node) -> None:
    """There is no problem."""
    node.write_settings(MAPPINGS)
    node.start()


def unmapped_user(node: Node) -> None:
    """Bob logs in and has no mapping. Editing adds one."""
    usual(node)
    node.key = BOB_KEY
    node.edit = lambda node: _edit(node, lambda text: text + _BOB)


def typo(node: Node) -> None:
    """The settings have a typo, and the daemon could not restart. Editing corrects it."""
    usual(node)
    node.daemon.stop()
    _edit(node, lambda text: text.replace("    groups: [developers]", "    grups: [developers]"))
    node.edit = lambda node: _edit(node, lambda text: text.replace("grups", "groups"))


def refused_change(node: Node) -> None:
    """A change would lock everybody out, and the daemon refuses it."""
    node.run("kubectl get pods")
    node.token_options = ["-r", f"arn:aws:iam::{ACCOUNT}:role/Admin", "-s", "alice"]
    node.run("kubectl get pods")
    node.token_options = []
    before = len(node.daemon.events())
    _edit(node, lambda text: text.replace(f"iam::{ACCOUNT}", "iam::999988887777"))
    node.daemon.wait_for_message("lock out", before)


def another_ca(node: Node) -> None:
    """The webhook kubeconfig trusts the CA of a lost state directory."""
    ca = new_ca("authd", datetime.now(UTC)).certificate_pem
    node.daemon.kubeconfig.write_bytes(webhook_kubeconfig(host="localhost", port=node.port, authority_pem=ca))


def unmapped_nodes(node: Node) -> None:
    """The role of the nodes has no mapping. Editing adds one. Kubectl stands in for the kubelet."""
    usual(node)
    node.token_options = ["-r", f"arn:aws:iam::{ACCOUNT}:role/KubernetesNode", "-s", "i-0a1b2c3d4e5f60718"]
    node.run("kubectl get nodes")
    node.edit = lambda node: _edit(node, lambda text: text.replace("  mapUsers:\n", _NODE))


def slow_sts(node: Node) -> None:
    """STS responds more than a second late."""
    usual(node)
    node.emulator.inject(Fault.DELAY, seconds=1.2)


def silent_sts(node: Node) -> None:
    """STS accepts connections and stays silent."""
    node.write_settings(MAPPINGS, timeout="1s")
    node.start()
    node.emulator.inject(Fault.STALL, phase=Phase.ACCEPT)


def recovered_sts(node: Node) -> None:
    """STS responds again, without a delay."""
    node.emulator.clear()


def custom_certificate(node: Node) -> None:
    """The certificate is the operator's own and expires in 15 days."""
    node.write_settings(MAPPINGS)
    made = datetime.now(UTC) - timedelta(days=75)
    node.daemon.state.mkdir(mode=0o700)
    StateFiles(folder=node.daemon.state).put_pair(new_leaf(new_ca("ours", made), ["localhost", "127.0.0.1"], made))
    node.start()


def two_people(node: Node) -> None:
    """Alice has used the role Admin, and Bob has been refused."""
    usual(node)
    node.key = BOB_KEY
    node.run("kubectl get pods")
    node.key = ALICE_KEY
    node.token_options = ["-r", f"arn:aws:iam::{ACCOUNT}:role/Admin", "-s", "alice"]
    node.run("kubectl delete namespace shop")


STATES: Mapping[str, Callable[[Node], None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        unmapped_user, typo, refused_change, another_ca, unmapped_nodes, slow_sts, silent_sts, recovered_sts,
        custom_certificate, two_people,
    )
}  # fmt: skip


def _edit(node: Node, change: Callable[[str], str]) -> None:
    """Replace the settings file, as editors do."""
    text = change(node.daemon.settings.read_text())
    new = node.daemon.settings.with_name("config.yaml.new")
    new.write_text(text)
    new.replace(node.daemon.settings)
