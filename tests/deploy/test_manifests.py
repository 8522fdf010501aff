"""The manifests in deploy/kubernetes agree with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from authd.config.fields.schema import SSO
from authd.sources.cluster import crd, eks_configmap
from authd.sources.cluster.identity_mapping import API_VERSION, COLLECTION, KIND, IdentityMapping, RuleContext

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
ACCOUNT = "111122223333"


def documents(name):
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


@pytest.fixture(scope="module")
def schema():
    (manifest,) = documents("crd.yaml")
    (version,) = manifest["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


@pytest.mark.parametrize("name", ["crd.yaml", "crd-lenient.yaml"])
def test_names(name):
    """Both definitions define the resource that the source watches."""
    (manifest,) = documents(name)
    spec = manifest["spec"]
    version = spec.get("version") or spec["versions"][0]["name"]
    assert f"{spec['group']}/{version}" == API_VERSION
    assert f"/apis/{API_VERSION}/{spec['names']['plural']}" == COLLECTION == crd.COLLECTION
    assert spec["names"]["kind"] == KIND
    assert manifest["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
    assert "status" in (spec.get("subresources") or spec["versions"][0]["subresources"])


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:iam::{ACCOUNT}:role/Name",
        f"arn:aws-us-gov:iam::{ACCOUNT}:role/path/Name",
        f"arn:aws:iam::{ACCOUNT}:user/alice",
        f"arn:aws:iam::{ACCOUNT}:root",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/Name/session",
        f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
        f"arn:aws:iam::{ACCOUNT}:role/Team-*",
    ],
)
def test_usable_objects(schema, partitions, arn):
    """Objects that the schema accepts are usable."""
    assert re.search(schema["arn"]["pattern"], arn)
    mapping = IdentityMapping({"metadata": {"name": "n"}, "spec": {"arn": arn, "username": "u"}}, None)
    mapping.read_rule(RuleContext(tuple(partitions), "aws", patterns=True, templates={}))
    assert mapping.error == ""


@pytest.mark.parametrize(
    "arn", ["", "x", "arn:aws:iam::1:role/Name", f"arn:aws:s3::{ACCOUNT}:role/x", f"arn:aws:iam::{ACCOUNT}:group/x",
            f"arn:aws:iam::{ACCOUNT}:role/", f"arn:aws:iam::{ACCOUNT}:role/a b"]
)  # fmt: skip
def test_unusable_objects(schema, partitions, arn):
    """Unusable objects are rejected."""
    assert not re.search(schema["arn"]["pattern"], arn)
    mapping = IdentityMapping({"metadata": {"name": "n"}, "spec": {"arn": arn, "username": "u"}}, None)
    mapping.read_rule(RuleContext(tuple(partitions), "aws", patterns=False, templates={}))
    assert mapping.error


@pytest.mark.parametrize("time", ["2030-12-31", "2030-12-31T18:00:00Z"])
def test_times(schema, time):
    """Valid times are accepted, and other texts are rejected."""
    for name in ("validFrom", "validUntil"):
        pattern = schema[name]["pattern"]
        assert re.search(pattern, time)
        for other in ("", "soon", f"{time} ", f"{time[:-1]}", "2030-12-31T18:00:00+01:00"):
            assert not re.search(pattern, other)


def test_permission_sets(schema):
    """A permission set has the same members as in other sources, and requires name and account."""
    members = schema["sso"]["properties"]
    assert {name.lower() for name in members} == set(SSO)
    assert schema["sso"]["required"] == ["permissionSetName", "accountID"]
    for name, good, bad in (
        ("permissionSetName", "Dev+1", "a b"),
        ("accountID", ACCOUNT, "1"),
        ("partition", "aws-cn", "x"),
    ):
        assert re.search(members[name]["pattern"], good)
        assert not re.search(members[name]["pattern"], bad)


def test_permissions():
    """The manifest grants exactly the permissions that the sources use."""
    role, binding = documents("rbac-eks-configmap.yaml")
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == eks_configmap.NAMESPACE
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [eks_configmap.NAME],
            "verbs": ["get", "list", "watch"],
        }
    ]
    granted = {
        (resource, verb)
        for manifest in documents("rbac-crd.yaml")
        for rule in manifest.get("rules", [])
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == {
        *(("iamidentitymappings", verb) for verb in ("get", "list", "watch")),
        ("iamidentitymappings/status", "patch"),
        ("events", "create"),
    }
