from __future__ import annotations

import argparse
import shlex

import pytest

from authd.cli.explain import identity_of
from authd.cli.mappings import add
from authd.cli.why.missing_mapping import missing_mapping, source_in_cluster
from authd.config.load import load_settings
from authd.partition_data import load_partitions

IN = "arn:aws:sts::111122223333:assumed-role"


def yaml_for(arn):
    return missing_mapping(arn).as_yaml()


@pytest.mark.parametrize(
    ("arn", "username"),
    [
        (f"{IN}/Admin/alice", "Admin:alice"),
        (f"{IN}/AWSReservedSSO_Viewer_0123456789abcdef/alice@example.com", "alice@example.com"),
        ("arn:aws:iam::111122223333:user/team/alice", "alice"),
        ("arn:aws:iam::111122223333:root", "root"),
        ("arn:aws:sts::111122223333:federated-user/bob", "bob"),
    ],
)
def test_a_mapping_entry_lets_the_identity_in(arn, username):
    """The proposed mapping is valid below `server` without a warning, and maps the identity."""
    text = f"clusterID: c\nserver:\n{yaml_for(arn)}\n"
    loaded = load_settings(text.encode(), file="c.yaml", partitions=load_partitions())
    assert loaded.warnings == ()
    assert loaded.table.lookup(identity_of(arn, None, loaded.settings)).username == username


def test_a_permission_set_is_mapped_by_its_name():
    """The mapping for a permission set's role does not depend on the role's suffix."""
    assert 'permissionSetName: "Viewer"' in yaml_for(f"{IN}/AWSReservedSSO_Viewer_0123456789abcdef/a")


def test_an_instance_is_mapped_as_a_node():
    """The role of an instance gets a mapping for nodes."""
    entry = yaml_for(f"{IN}/KubernetesNode/i-0a1b2c3d4e5f60718")
    text = f"clusterID: c\nserver:\n{entry}\n"
    loaded = load_settings(text.encode(), file="c.yaml", partitions=load_partitions())
    (rule,) = loaded.table.exact.values()
    assert (rule.username.text, [group.text for group in rule.groups]) == (
        "system:node:{{EC2PrivateDNSName}}", ["system:bootstrappers", "system:nodes"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arn", "source", "command"),
    [
        (
            f"{IN}/Admin/alice", "EKSConfigMap",
            ("role --rolearn arn:aws:iam::111122223333:role/Admin --username 'Admin:{{SessionName}}' --groups GROUPS "
            "--in aws-auth"),
        ),
        (
            f"{IN}/AWSReservedSSO_Viewer_0123456789abcdef/a", "EKSConfigMap",
            ("role --sso permissionSetName=Viewer,accountID=111122223333 --username '{{SessionNameRaw}}' "
            "--groups GROUPS --in aws-auth"),
        ),
        (
            "arn:aws:iam::111122223333:user/team/alice", "CRD",
            "user --userarn arn:aws:iam::111122223333:user/team/alice --username alice --groups GROUPS --in crd",
        ),
    ],
)  # fmt: skip
def test_a_command_for_the_cluster(arn, source, command):
    """For mappings in the cluster, the proposed command is one that `authd add` accepts."""
    given = missing_mapping(arn).as_command(source)
    assert given == f"authd add {command}"
    parser = argparse.ArgumentParser()
    add.add_parser(parser.add_subparsers())
    parser.parse_args(shlex.split(given)[1:])


@pytest.mark.parametrize(
    ("backends", "source"),
    [
        (("MountedFile",), ""),
        (("MountedFile", "CRD"), ""),
        (("EKSConfigMap", "CRD"), "EKSConfigMap"),
        (("DynamicFile", "CRD"), "CRD"),
        (("DynamicFile",), ""),
    ],
)
def test_the_source_of_a_new_mapping(backends, source):
    """A new mapping belongs to the settings file if that is a source."""
    assert source_in_cluster(backends) == source


@pytest.mark.parametrize("arn", ["", "(scrubbed)", "arn:aws:s3:::bucket"])
def test_no_entry_for_an_unknown_arn(arn):
    """Without an ARN there is no mapping entry."""
    assert missing_mapping(arn) is None
