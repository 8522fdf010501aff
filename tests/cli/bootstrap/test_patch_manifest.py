from __future__ import annotations

import pytest

from authd.cli.bootstrap.patch_manifest import backup_of, patch, undo
from authd.cli.shared.errors import CommandError
from tests.cli.bootstrap.test_static_pod import KUBEADM


@pytest.fixture
def node(tmp_path):
    """Create a manifest and a webhook kubeconfig."""
    manifest = tmp_path / "manifests" / "kube-apiserver.yaml"
    kubeconfig = tmp_path / "authd" / "kubeconfig.yaml"
    for path in (manifest, kubeconfig):
        path.parent.mkdir()
    manifest.write_text(KUBEADM)
    kubeconfig.write_text("kind: Config\n")
    return manifest, kubeconfig


def test_patch_and_undo(node):
    """The webhook is added, with a backup outside kubelet's folder, and undo restores every byte."""
    manifest, kubeconfig = node
    diff = patch(manifest, kubeconfig, dry_run=False)
    assert f"+    - --authentication-token-webhook-config-file={kubeconfig}\n" in diff
    assert str(kubeconfig) in manifest.read_text()
    assert [path.name for path in manifest.parent.iterdir()] == [manifest.name]
    assert backup_of(manifest, kubeconfig).read_text() == KUBEADM
    assert patch(manifest, kubeconfig, dry_run=False) == ""
    assert f"-    - --authentication-token-webhook-config-file={kubeconfig}\n" in undo(
        manifest, kubeconfig, dry_run=False
    )
    assert manifest.read_text() == KUBEADM
    assert not backup_of(manifest, kubeconfig).exists()


def test_dry_run(node):
    """A dry run returns the diff and writes nothing."""
    manifest, kubeconfig = node
    assert patch(manifest, kubeconfig, dry_run=True)
    assert manifest.read_text() == KUBEADM
    patch(manifest, kubeconfig, dry_run=False)
    after = manifest.read_text()
    assert undo(manifest, kubeconfig, dry_run=True)
    assert manifest.read_text() == after


def test_without_a_kubeconfig(node):
    """Without the kubeconfig, kube-apiserver would not start, so the manifest is not changed."""
    manifest, kubeconfig = node
    kubeconfig.unlink()
    with pytest.raises(CommandError, match="run `authd init` first"):
        patch(manifest, kubeconfig, dry_run=False)
    assert manifest.read_text() == KUBEADM


def test_nothing_to_undo(node):
    """Without a backup there is nothing to undo. After another edit, undo refuses and names the backup."""
    manifest, kubeconfig = node
    with pytest.raises(CommandError, match="no change of authd's to undo"):
        undo(manifest, kubeconfig, dry_run=False)
    patch(manifest, kubeconfig, dry_run=False)
    manifest.write_text(manifest.read_text().replace("v1.34.1", "v1.35.0"))
    with pytest.raises(CommandError, match=r"has changed .*before-authd"):
        undo(manifest, kubeconfig, dry_run=False)
    assert "v1.35.0" in manifest.read_text()


def test_an_unreadable_manifest(node):
    """A missing manifest is an error with its path."""
    manifest, kubeconfig = node
    manifest.unlink()
    with pytest.raises(CommandError, match="the manifest can't be read: No such file or directory"):
        patch(manifest, kubeconfig, dry_run=False)
