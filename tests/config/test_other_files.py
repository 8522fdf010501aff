from __future__ import annotations

import textwrap

import pytest

from authd.config.load import load_settings
from authd.config.manifests import embedded_rules, embedded_settings, rule_problems

CONFIG_MAP = """\
# kops
---
kind: ServiceAccount
metadata: {name: a}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: aws-iam-authenticator
data:
  other: "1"
  config.yaml: |
    ---
    clusterID: c
    server:
      mapRoles:
      - roleARN: arn:aws:iam::1:role/Admins
        username: a
"""
AWS_AUTH = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: aws-auth, namespace: kube-system}
data:
  mapRoles: |
    - rolearn: arn:aws:iam::111122223333:role/Admins
      username: a
"""

OTHERS = {
    "ConfigMap": (
        CONFIG_MAP.partition("---\n")[2].partition("---\n")[2], "the settings are under data / config.yaml, in line 7",
    ),
    "ConfigMap without settings": ("apiVersion: v1\nkind: ConfigMap\ndata: {a: b, c: [d]}", "ConfigMap without settings"),
    "ConfigMap without data": ("apiVersion: v1\nkind: ConfigMap", "ConfigMap without settings"),
    "aws-auth": (AWS_AUTH, "this is the ConfigMap aws-auth of EKS: its rules (mapRoles, mapUsers, mapAccounts) go under"),
    "aws-auth without rules": ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: aws-auth}", "the ConfigMap aws-auth"),
    "kubeconfig": ("apiVersion: v1\nkind: Config\nclusters: []\nusers: []", "this is a kubeconfig, not a settings file"),
    "kubeconfig without a kind": ("clusters: []\ncontexts: []\nusers: []", "this is a kubeconfig"),
    "DaemonSet": ("apiVersion: apps/v1\nkind: DaemonSet\nspec: {}", "a Kubernetes manifest (DaemonSet)"),
    "Helm values": (
        "image: {tag: a}\nconfig:\n  authd:\n    clusterID: c\n    server: {}", "the settings are under config / authd, in line 4",
    ),
    "Helm values with rules": ("aws:\n  mapRoles: []", "the settings are under aws, in line 2"),
    "Helm values with a text": (
        "image: {tag: a}\nconfig: |\n  clusterID: c\n", "the settings are under config, in line 2",
    ),
    "Helm values at the top": ("image: {tag: a}\nresources: {}\nclusterID: c", "with the settings at its top"),
    "Helm values without settings": ("image: {tag: a}\nnodeSelector: {}", "the values of a Helm chart, without the daemon's"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), OTHERS.values(), ids=OTHERS)
def test_other_files_are_recognised(refuse, text, message):
    """A file of another kind is one error that names the kind and where the settings are."""
    (problem,) = refuse(text)
    assert message in problem.message


@pytest.mark.parametrize("text", ["kind: a", "a: {b: {c: {d: {e: {clusterID: x}}}}}", "x-a: 1", "users: []"])
def test_files_with_mistakes_stay_settings_files(refuse, text):
    """A file of no known kind has the errors of a settings file."""
    assert any("clusterID is missing" in problem.message for problem in refuse(text))


def test_settings_in_a_manifest_keep_their_places(partitions):
    """Settings in a ConfigMap have the lines and columns of the manifest."""
    found = embedded_settings(CONFIG_MAP)
    assert (found.name, found.key, found.line, found.exact) == ("aws-iam-authenticator", "config.yaml", 12, True)
    with pytest.raises(Exception, match=r"^f:17:18: .*has the account 1 with 1 digits"):
        load_settings(found.text.encode(), file="f", partitions=partitions)


@pytest.mark.parametrize(
    "value",
    [
        '"clusterID: c\\nserver: {}"',
        ">\n    clusterID: c\n\n    server: {}\n",
        "|2\n     clusterID: c\n     server: {}\n",
    ],
)
def test_settings_in_other_texts_of_a_manifest(partitions, value):
    """Quoted, folded and indented settings in a manifest are read too."""
    found = embedded_settings(f"kind: ConfigMap\ndata:\n  config.yaml: {value}")
    loaded = load_settings(found.text.encode(), file="f", partitions=partitions)
    assert loaded.settings.cluster_id == "c"


def test_settings_in_a_list_of_manifests(partitions):
    """Settings in the items of a List are found."""
    inner = textwrap.indent(CONFIG_MAP.rpartition("---\napiVersion")[2].replace(": v1\n", "apiVersion: v1\n", 1), "  ")
    found = embedded_settings("kind: List\nitems:\n-" + inner[1:])
    assert found.key == "config.yaml"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ConfigMap",
        "[ConfigMap]",
        "a: b",
        "kind: ConfigMap",
        "---\nkind: ConfigMap\ndata: [",
        "kind: ConfigMap\n---\n" * 300,
    ],
)
def test_manifests_without_settings(text):
    """In manifests without settings in a ConfigMap, nothing is found."""
    assert embedded_settings(text) is None
    assert embedded_rules(text) == ()


def test_faults_of_aws_auth(partitions):
    """Errors of each list have their places. A list that can't be parsed has one error."""
    text = AWS_AUTH.replace("111122223333", "1") + "  mapUsers: |\n    - userarn: x\n  mapAccounts: |\n    - all\n"
    faults = [rule_problems(part, "f", partitions).errors() for part in embedded_rules(text)]
    assert [str(fault).split(" ")[0] for (fault,) in faults] == ["f:6:16:", "f:9:16:", "f:11:7:"]
    (broken,) = embedded_rules("kind: ConfigMap\ndata: {mapRoles: '['}")
    (fault,) = rule_problems(broken, "f", partitions).errors()
    assert str(fault).startswith("f, data / mapRoles:2:1: not YAML")


def test_rules_of_aws_auth():
    """The rules of aws-auth keep their places."""
    (rules,) = embedded_rules(AWS_AUTH)
    assert (rules.key, rules.line, rules.exact) == ("mapRoles", 5, True)
    assert rules.text.startswith("\n\n\n\n\n    - rolearn")
