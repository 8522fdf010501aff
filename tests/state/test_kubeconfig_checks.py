"""Checks of the webhook kubeconfig against the certificate in force."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from authd.state.kubeconfig import webhook_kubeconfig
from authd.state.kubeconfig_checks import kubeconfig_problem
from authd.state.x509 import CertifiedKey, new_ca, new_leaf

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CA = new_ca("authd", NOW)
LEAF = new_leaf(CA, ("localhost", "127.0.0.1"), NOW)


def written(tmp_path: Path, authority: CertifiedKey, host: str = "localhost", **cluster: object) -> Path:
    """Write a kubeconfig with additional entries of its cluster. None removes an entry."""
    content = yaml.safe_load(webhook_kubeconfig(host=host, port=1, authority_pem=authority.certificate_pem))
    entries = content["clusters"][0]["cluster"]
    entries.update({name.replace("_", "-"): value for name, value in cluster.items()})
    content["clusters"][0]["cluster"] = {name: value for name, value in entries.items() if value is not None}
    path = tmp_path / "kubeconfig.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_issuing_ca_is_no_problem(tmp_path: Path) -> None:
    """A kubeconfig may contain the certificate's CA or the certificate itself, inline or in a file."""
    assert kubeconfig_problem(written(tmp_path, CA), LEAF.certificate_pem) == ""
    assert kubeconfig_problem(written(tmp_path, CA, "127.0.0.1"), LEAF.certificate_pem) == ""
    assert kubeconfig_problem(written(tmp_path, LEAF), LEAF.certificate_pem) == ""
    (tmp_path / "ca.pem").write_bytes(CA.certificate_pem)
    in_file = written(tmp_path, CA, certificate_authority_data=None, certificate_authority="ca.pem")
    assert kubeconfig_problem(in_file, LEAF.certificate_pem) == ""


def test_one_of_several_cas_is_enough(tmp_path: Path) -> None:
    """While a CA is replaced, a kubeconfig may contain the old and the new one."""
    both = new_ca("old", NOW).certificate_pem + CA.certificate_pem
    path = written(tmp_path, CA, certificate_authority_data=base64.b64encode(both).decode())
    assert kubeconfig_problem(path, LEAF.certificate_pem) == ""


@pytest.mark.parametrize("entries", [{"insecure_skip_tls_verify": True}, {"certificate_authority_data": None}])
def test_a_kubeconfig_without_a_ca_is_no_problem(tmp_path: Path, entries: dict[str, object]) -> None:
    """Without a CA, the client uses the system's CAs or verifies nothing, so there is nothing to check."""
    assert kubeconfig_problem(written(tmp_path, new_ca("x", NOW), **entries), LEAF.certificate_pem) == ""


def test_another_ca_is_a_problem(tmp_path: Path) -> None:
    """Another CA of the same name is a problem, because kube-apiserver would refuse every connection."""
    problem = kubeconfig_problem(written(tmp_path, new_ca("authd", NOW)), LEAF.certificate_pem)
    assert "trusts another CA" in problem
    assert "`authd init` and restart kube-apiserver" in problem


def test_another_server_name_is_a_problem(tmp_path: Path) -> None:
    """The server name is `tls-server-name`, or else the URL's host."""
    assert "not for the name authd.example" in kubeconfig_problem(
        written(tmp_path, CA, "authd.example"), LEAF.certificate_pem
    )
    renamed = written(tmp_path, CA, "authd.example", tls_server_name="localhost")
    assert kubeconfig_problem(renamed, LEAF.certificate_pem) == ""


@pytest.mark.parametrize("content", ["", "[]", "clusters: []", "a: [", "current-context: webhook\ncontexts: {}\n"])
def test_invalid_kubeconfigs_are_reported(tmp_path: Path, content: str) -> None:
    """The problem of an invalid file names it and the next step."""
    path = tmp_path / "kubeconfig.yaml"
    path.write_text(content)
    assert "is not a kubeconfig" in kubeconfig_problem(path, LEAF.certificate_pem)


@pytest.mark.parametrize("server", [None, "https://[::1"])
def test_a_kubeconfig_without_a_valid_server_is_reported(tmp_path: Path, server: str | None) -> None:
    """A missing or broken URL is a problem of the file, not an error of the daemon that reads it."""
    assert "is not a kubeconfig" in kubeconfig_problem(written(tmp_path, CA, server=server), LEAF.certificate_pem)
