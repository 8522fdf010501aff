from __future__ import annotations

import os
import time

import pytest
import yaml

from authd.cli.doctor.kube_apiserver import examine_kube_apiserver
from tests.cli.doctor.test_processes import add_process

FLAG = "--authentication-token-webhook-config-file"


def manifest(folder, *flags, host_network=True, host_path=None):
    host_path = folder if host_path is None else host_path
    container = {
        "name": "kube-apiserver",
        "command": ["kube-apiserver", "--secure-port=6443", *flags],
        "volumeMounts": [{"name": "authd", "mountPath": "/etc/authd-webhook", "readOnly": True}],
    }
    spec = {
        "hostNetwork": host_network,
        "containers": [container],
        "volumes": [{"name": "authd", "hostPath": {"path": str(host_path), "type": "Directory"}}],
    }
    return yaml.safe_dump({"kind": "Pod", "spec": spec})


@pytest.fixture
def installation(initialised):
    return initialised


def found(installation):
    return [(str(finding.level), finding.message) for finding in examine_kube_apiserver(installation)]


def write(installation, *flags, **options):
    installation.manifest.write_text(manifest(installation.kubeconfig.parent, *flags, **options))


def test_a_good_manifest(installation):
    """A manifest that mounts the kubeconfig and names it is ok."""
    write(installation, f"{FLAG}=/etc/authd-webhook/kubeconfig.yaml", "--authentication-token-webhook-version=v1")
    assert found(installation) == [("ok", f"kube-apiserver reads {installation.kubeconfig}")]


def test_flags_in_two_words(installation):
    """A flag's value may be a separate word."""
    write(installation, FLAG, "/etc/authd-webhook/kubeconfig.yaml")
    assert [level for level, _ in found(installation)] == ["ok"]


@pytest.mark.parametrize(
    ("flags", "options", "says"),
    [
        ((), {}, "kube-apiserver does not ask authd"),
        ((f"{FLAG}=/etc/other/kubeconfig.yaml",), {}, "mounts no folder of the host at /etc/other/kubeconfig.yaml"),
        ((f"{FLAG}=/etc/authd-webhook/kubeconfig.yaml",), {"host_path": "/srv"}, "kube-apiserver reads /srv/kubecon"),
        ((f"{FLAG}=/etc/authd-webhook/kubeconfig.yaml",), {"host_network": False}, "has no hostNetwork: true"),
        (
            (f"{FLAG}=/etc/authd-webhook/kubeconfig.yaml", "--authentication-token-webhook-version=v2"),
            {},
            "which kube-apiserver does not know",
        ),
    ],
)
def test_a_wrong_manifest(installation, flags, options, says):
    """A missing flag, mount or network is an error."""
    write(installation, *flags, **options)
    assert says in " ".join(message for level, message in found(installation) if level == "error")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[" * 3_000,
        "spec: {containers: []}",
        "kind: Pod\n",
        "spec: {containers: 5}",
        "spec: {containers: [kube-apiserver]}",
        "spec: {containers: [{name: kube-apiserver, command: kube-apiserver}]}",
        "spec: {containers: [{name: kube-apiserver, args: 5}]}",
        "spec: {containers: [{name: kube-apiserver, volumeMounts: [authd]}]}",
        "spec: {containers: [{name: kube-apiserver}], volumes: [authd]}",
        "spec: {containers: [{name: kube-apiserver}], volumes: {name: authd}}",
        "spec: {containers: [{name: kube-apiserver}], volumes: [{name: authd, hostPath: /etc/authd}]}",
    ],
)
def test_a_broken_manifest(installation, text):
    """A file that isn't a manifest is an error."""
    installation.manifest.write_text(text)
    ((level, message),) = found(installation)
    assert (level, message) == ("error", f"{installation.manifest} is not a manifest of kube-apiserver")


def test_a_pipe_as_manifest(installation):
    """A pipe is not read, because that could block for ever."""
    os.mkfifo(installation.manifest)
    assert found(installation) == [("warning", f"{installation.manifest} can't be read: it is not a regular file")]


def test_names_that_are_no_texts(installation):
    """A volume whose name is not a text does not stop the checks."""
    write(installation, f"{FLAG}=/etc/authd-webhook/kubeconfig.yaml")
    installation.manifest.write_text(installation.manifest.read_text().replace("name: authd", "name: [authd]"))
    assert found(installation) == [("ok", f"kube-apiserver reads {installation.kubeconfig}")]


def test_no_kube_apiserver(installation):
    """A machine without kube-apiserver is a warning."""
    ((level, message),) = found(installation)
    assert level == "warning"
    assert "there is no kube-apiserver here" in message


def test_a_process_without_a_manifest(installation):
    """Without a manifest the flags come from the process table."""
    add_process(installation.proc, 4, "/usr/bin/kube-apiserver", f"{FLAG}=/another/cluster")
    add_process(installation.proc, 5, "/usr/bin/kube-apiserver", f"{FLAG}={installation.kubeconfig}")
    assert found(installation) == [("ok", f"kube-apiserver reads {installation.kubeconfig}")]


@pytest.mark.parametrize(("changed", "level"), [(1_000_100, "warning"), (1_000_010, "ok")])
def test_a_kubeconfig_that_changed_after_the_start(installation, changed, level):
    """A kube-apiserver that started before the kubeconfig's last change is a warning."""
    add_process(installation.proc, 5, "/usr/bin/kube-apiserver", f"{FLAG}={installation.kubeconfig}", start=50)
    (installation.proc / "uptime").write_text(f"{time.time() - 1_000_000} 0\n")
    os.utime(installation.kubeconfig, (changed, changed))
    assert found(installation)[-1][0] == level
