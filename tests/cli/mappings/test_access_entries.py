"""Conversion of EKS access entries to rules."""

from __future__ import annotations

import json

import pytest

from authd.cli.mappings.access_entries import convert_entries
from authd.cli.shared.errors import CommandError

ROLE = "arn:aws:iam::111122223333:role/Dev"
USER = "arn:aws:iam::111122223333:user/alice"


def entry(arn, kind="STANDARD", **more):
    return {"accessEntry": {"clusterName": "c", "principalArn": arn, "type": kind, "tags": {}, **more}}


def convert(*documents):
    return convert_entries("\n".join(json.dumps(document, indent=4) for document in documents))


def test_standard():
    """Standard entries keep user name and groups."""
    session = "arn:aws:sts::111122223333:assumed-role/Dev/{{SessionName}}"
    found = convert(
        entry(ROLE, username=session, kubernetesGroups=["devs"]), entry(USER, username=USER, kubernetesGroups=["ops"])
    )
    assert [(rule.kind, rule.arn, rule.username, rule.groups) for rule in found.rules] == [
        ("role", ROLE, session, ("devs",)),
        ("user", USER, USER, ("ops",)),
    ]
    assert found.missing == []


@pytest.mark.parametrize(
    ("kind", "username", "groups"),
    [
        ("EC2_LINUX", "system:node:{{EC2PrivateDNSName}}", ("system:bootstrappers", "system:nodes")),
        (
            "EC2_WINDOWS",
            "system:node:{{EC2PrivateDNSName}}",
            ("system:bootstrappers", "system:nodes", "eks:kube-proxy-windows"),
        ),
        (
            "FARGATE_LINUX",
            "system:node:{{SessionName}}",
            ("system:bootstrappers", "system:nodes", "system:node-proxier"),
        ),
        ("HYBRID_LINUX", "system:node:{{SessionName}}", ("system:bootstrappers", "system:nodes")),
    ],
)
def test_nodes(kind, username, groups):
    """Entries of nodes get the rule that nodes need."""
    (rule,) = convert(entry(ROLE, kind)).rules
    assert (rule.username, rule.groups) == (username, groups)


def test_missing():
    """Everything without a counterpart is reported."""
    policies = {
        "clusterName": "c",
        "principalArn": ROLE,
        "associatedAccessPolicies": [{"policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminPolicy"}],
    }
    found = convert(entry(ROLE, username="u", tags={"a": "b"}), policies, entry(USER, "NEW"), {"accessEntries": [ROLE]})
    assert [rule.arn for rule in found.rules] == [ROLE]
    text = "\n".join(found.missing)
    assert "tags have no counterpart" in text
    assert "it has no groups" in text
    assert "AmazonEKSAdminPolicy has no counterpart" in text
    assert "the type NEW have no counterpart" in text
    assert "run describe-access-entry for each" in text


@pytest.mark.parametrize("text", ["x", "{", '{"a": 1}', "[1]", "[" * 100_000])
def test_other_input(text):
    """Other input is an error."""
    with pytest.raises(CommandError):
        convert_entries(text)
