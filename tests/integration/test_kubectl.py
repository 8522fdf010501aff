"""A real kubectl runs the installed `authd-token` as its credential plugin."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from authd.emulator.directory.sample import ALICE_KEY
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import CLUSTER, Mint, bare_environment, credentials_in_environment, script
from tests.integration.rig.tls_server import api_server

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on PATH (Debian: kubernetes-client)")


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_kubectl_sends_the_scripts_token(
    daemon: DaemonProcess, mint: Mint, evidence: Evidence, tmp_path: Path, version: str
) -> None:
    """A real kubectl runs `authd-token` in either API version, sends the printed token, and the daemon accepts it."""
    with api_server(tmp_path) as (url, ca_file, authorizations):
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(ca_file)}}],
            "users": [{"name": "alice", "user": {"exec": exec_plugin(version)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "alice"}}],
            "current-context": "test",
        }
        kubeconfig = tmp_path / "kubeconfig.json"
        kubeconfig.write_text(json.dumps(config))
        assert KUBECTL is not None
        done = subprocess.run(
            [KUBECTL, "--kubeconfig", str(kubeconfig), "get", "--raw", "/livez"],
            env=bare_environment(tmp_path, AWS_REGION="us-east-1", **credentials_in_environment(ALICE_KEY)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
    evidence.said("kubectl", done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["message"] == "hello"
    assert authorizations
    token = authorizations[-1].removeprefix("Bearer ")
    evidence.token(token)
    assert daemon.review(token).user["username"] == "alice"


def exec_plugin(version: str) -> dict[str, object]:
    """Return the user's section `exec` as documented."""
    return {
        "apiVersion": f"client.authentication.k8s.io/{version}",
        "command": script("authd-token"),
        "args": ["-i", CLUSTER],
        "interactiveMode": "Never",
    }
