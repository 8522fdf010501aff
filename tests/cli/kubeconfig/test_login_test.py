from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cli.shapes import parsed
from tests.client.rig.api_server import APIServer

from .conftest import CLUSTER, KEY_ID

V1BETA1 = "client.authentication.k8s.io/v1beta1"


@pytest.fixture
def write(kubeconfig: Path, run: Callable, api_server: APIServer) -> Callable[..., None]:
    """Write a kubeconfig for the server, with settings of cluster and exec entry."""

    def write(cluster: dict | None = None, **plugin: object) -> None:
        data = base64.b64encode(api_server.ca_file.read_bytes()).decode()
        base = {"server": api_server.url, "certificate-authority-data": data}
        entry = {"apiVersion": V1BETA1, "command": "authd-token", "args": ["-i", CLUSTER], **plugin}
        kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "current-context": "me",
                    "clusters": [{"name": "c", "cluster": {**base, **(cluster or {})}}],
                    "users": [{"name": "u", "user": {"exec": entry}}],
                    "contexts": [{"name": "me", "context": {"cluster": "c", "user": "u"}}],
                }
            )
        )

    return write


def test_the_identity_is_printed(run: Callable, write: Callable) -> None:
    """A login that works prints the identity that the cluster sees, as text and as JSON."""
    write()
    done = run("test")
    assert done.returncode == 0, done.stderr
    assert f"username  aws:{KEY_ID}" in done.stdout
    assert "groups    developers, system:authenticated" in done.stdout
    assert parsed("kubeconfig test", run("test", "-o", "json").stdout)["username"] == f"aws:{KEY_ID}"
    assert run("test", program="kubectl-authd").stdout == done.stdout


def test_the_cluster_extension_is_passed(run: Callable, write: Callable) -> None:
    """With provideClusterInfo the plugin gets the cluster's ID from its extension."""
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"clusterID": CLUSTER}}
    write({"extensions": [extension]}, args=[], provideClusterInfo=True)
    assert run("test").returncode == 0


def test_an_old_cluster(run: Callable, write: Callable, api_server: APIServer) -> None:
    """A cluster without SelfSubjectReview accepts the login but can't tell the identity."""
    api_server.reviews = False
    write()
    done = run("test")
    assert (done.returncode, "does not tell the identity" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    ("cluster", "plugin", "status", "word"),
    [
        ({}, {"args": ["-i", "other"]}, 1, "401 Unauthorized"),
        ({}, {"args": []}, 2, "no cluster id given"),
        ({}, {"command": "no-such-plugin", "installHint": "get it"}, 2, "not on PATH; get it"),
        ({}, {"command": "true"}, 2, "no ExecCredential"),
        ({}, {"env": [{"name": "AWS_REGION", "value": "eu_west_1"}]}, 2, "AWS_REGION"),
        ({}, {"apiVersion": "client.authentication.k8s.io/v9"}, 2, "v1beta1"),
        ({"certificate-authority-data": "eA=="}, {}, 2, "CA of the context"),
        ({"certificate-authority-data": None}, {}, 2, "certificate is not trusted"),
        ({"tls-server-name": "wrong.example"}, {}, 2, "certificate is not trusted"),
        ({"server": "https://127.0.0.1:1"}, {}, 2, "cannot be reached"),
        ({"server": "http://127.0.0.1:1"}, {}, 2, "https URL"),
        (
            {"certificate-authority-data": None, "certificate-authority": "nix"},
            {"provideClusterInfo": True},
            2,
            "nix: the CA cannot be read: No such file or directory",
        ),
        (
            {},
            {"command": "echo", "args": [f'{{"apiVersion": "{V1BETA1}", "status": {{"token": "k8s-aws-v1.\\n"}}}}']},
            2,
            "the token of the user 'u' has line breaks",
        ),
    ],
)
def test_the_reason_of_a_failure(
    run: Callable, write: Callable, cluster: dict, plugin: dict, status: int, word: str
) -> None:
    """A failure of the plugin, the connection or the login is reported without a token or a traceback."""
    write(cluster, **plugin)
    done = run("test")
    assert done.returncode == status, done.stderr
    assert word in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "k8s-aws-v1" not in done.stdout + done.stderr


def test_json_alone_on_standard_output(run: Callable, write: Callable) -> None:
    """With JSON, warnings of the plugin and a refusal go to standard error."""
    write(args=["-i", CLUSTER, "--session-name", "s"])
    done = run("test", "-o", "json")
    assert parsed("kubeconfig test", done.stdout)["username"] == f"aws:{KEY_ID}"
    assert "--session-name without effect" in done.stderr
    write(args=["-i", "other"])
    done = run("test", "-o", "json")
    assert (done.returncode, done.stdout, "401 Unauthorized" in done.stderr) == (1, "", True)


def test_a_missing_context(run: Callable, write: Callable) -> None:
    """A missing context is an error with its name."""
    write()
    done = run("test", "--context", "nix")
    assert (done.returncode, "'nix'" in done.stderr) == (2, True)
