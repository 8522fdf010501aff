from __future__ import annotations

import pytest

from authd.cli.explain import identity_of
from authd.cli.why.next_steps import NEXT_STEPS, mapping_entry, next_step
from authd.config.load import load_settings
from authd.core.decision import ALLOWED
from authd.core.errors import DenialReason, UnavailableReason
from authd.partition_data import load_partitions

IN = "arn:aws:sts::111122223333:assumed-role"


def test_each_reason_has_a_next_step():
    """Every reason has a next step, and an unknown one, of a later version, a pointer."""
    assert set(NEXT_STEPS) == {ALLOWED, *DenialReason, *UnavailableReason}
    assert "docs/reasons.md" in next_step("of_a_later_version")


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
    """The proposed mapping loads below `server` without a warning, and maps the identity."""
    text = f"clusterID: c\nserver:\n{mapping_entry(arn)}\n"
    loaded = load_settings(text.encode(), file="c.yaml", partitions=load_partitions())
    assert loaded.warnings == ()
    assert loaded.table.lookup(identity_of(arn, None, loaded.settings)).username == username


def test_a_permission_set_is_mapped_by_its_name():
    """The role of a permission set gets a mapping that outlives the role's suffix."""
    assert 'permissionSetName: "Viewer"' in mapping_entry(f"{IN}/AWSReservedSSO_Viewer_0123456789abcdef/a")


def test_an_instance_is_mapped_as_a_node():
    """The role of an instance gets a mapping for nodes."""
    entry = mapping_entry(f"{IN}/KubernetesNode/i-0a1b2c3d4e5f60718")
    text = f"clusterID: c\nserver:\n{entry}\n"
    loaded = load_settings(text.encode(), file="c.yaml", partitions=load_partitions())
    (rule,) = loaded.table.exact.values()
    assert (rule.username.text, [group.text for group in rule.groups]) == (
        "system:node:{{EC2PrivateDNSName}}", ["system:bootstrappers", "system:nodes"],
    )  # fmt: skip


@pytest.mark.parametrize("arn", ["", "(scrubbed)", "arn:aws:s3:::bucket"])
def test_no_entry_for_an_unknown_arn(arn):
    """Without an ARN there is no mapping entry."""
    assert mapping_entry(arn) == ""
