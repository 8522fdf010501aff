from __future__ import annotations

import pytest

from authd.cli import main as cli
from authd.state.certificate_store import StateFiles
from tests.cli.bootstrap.test_static_pod import KUBEADM
from tests.cli.shapes import parsed


@pytest.fixture
def node(tmp_path):
    """Create a manifest of kube-apiserver, and return it with the options of `authd init`."""
    manifest = tmp_path / "manifests" / "kube-apiserver.yaml"
    manifest.parent.mkdir()
    manifest.write_text(KUBEADM)
    kubeconfig = tmp_path / "authd" / "kubeconfig.yaml"
    options = ["init", "-i", "c", "--state-dir", tmp_path / "state", "--generate-kubeconfig", kubeconfig]
    return manifest, [str(option) for option in options]


def test_init_and_manifest_in_one_step(node, capsys):
    """One command creates the files and adds the webhook to kube-apiserver. A second run changes nothing."""
    manifest, init = node
    assert cli.main([*init, "--patch-manifest", str(manifest), "-o", "json"]) == 0
    first = parsed("init", capsys.readouterr().out)
    assert "+    - --authentication-token-webhook-version=v1" in first["manifestDiff"]
    assert cli.main([*init, "--patch-manifest", str(manifest), "-o", "json"]) == 0
    again = parsed("init", capsys.readouterr().out)
    assert (again["written"], again["manifestDiff"]) == ([], "")
    assert cli.main([*init, "--patch-manifest", str(manifest), "--undo"]) == 0
    assert manifest.read_text() == KUBEADM


def test_dry_run(node, tmp_path, capsys):
    """A dry run prints the diff and creates no files."""
    manifest, init = node
    assert cli.main([*init, "--patch-manifest", str(manifest), "--dry-run"]) == 0
    assert "+    - --authentication-token-webhook-version=v1" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["manifests"]
    assert manifest.read_text() == KUBEADM


def test_one_ca_for_two_nodes(tmp_path, capsys):
    """Two nodes with the same `--ca` have the same CA, in their files for upload too."""
    for name in ("a", "b"):
        options = ["-i", "c", "--ca", tmp_path / "ca", "--out", tmp_path / name]
        assert cli.main(["init", *map(str, options)]) == 0
    first, second, shared = (StateFiles(folder=tmp_path / name) for name in ("a", "b", "ca"))
    assert first.read_authority().key_pem == second.read_authority().key_pem == shared.read_authority().key_pem
    assert first.read_pair().key_pem != second.read_pair().key_pem
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--undo"], "go with --patch-manifest FILE"),
        (["--dry-run"], "go with --patch-manifest FILE"),
        (["--patch-manifest", "m", "--out", "d"], "use one of them"),
    ],
)
def test_conflicting_options(options, message, capsys):
    """Conflicting options are an error with the next step."""
    assert cli.main(["init", "-i", "c", *options]) == 2
    assert message in capsys.readouterr().err
