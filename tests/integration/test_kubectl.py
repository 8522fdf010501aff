"""A real kubectl runs authd-token as its credential plugin, both installed and as a single file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from authd.emulator.directory.sample import ALICE_KEY
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import CLUSTER, bare_environment, credentials_in_environment, script
from tests.integration.rig.tls_server import api_server
from tools.release import pyz

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on PATH (Debian: kubernetes-client)")


@pytest.fixture(scope="module")
def single_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build authd-token as a single file, and return its path."""
    path = tmp_path_factory.mktemp("single") / "authd-token.pyz"
    path.write_bytes(pyz.build([sys.executable])[0])
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
@pytest.mark.parametrize("form", ["script", "single file"])
def test_kubectl_sends_the_printed_token(
    daemon: DaemonProcess, evidence: Evidence, single_file: str, tmp_path: Path, version: str, form: str
) -> None:
    """A real kubectl runs either form of authd-token in either API version, and the daemon accepts the printed token."""
    command = script("authd-token") if form == "script" else single_file
    with api_server(tmp_path) as (url, ca_file, authorizations):
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(ca_file)}}],
            "users": [{"name": "alice", "user": {"exec": exec_plugin(version, command)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "alice"}}],
            "current-context": "test",
        }
        kubeconfig = tmp_path / "kubeconfig.json"
        kubeconfig.write_text(json.dumps(config))
        assert KUBECTL is not None
        done = subprocess.run(
            [KUBECTL, "--kubeconfig", str(kubeconfig), "get", "--raw", "/livez"],
            env=bare_environment(
                tmp_path, AWS_REGION="us-east-1", AUTHD_PYTHON=sys.executable, **credentials_in_environment(ALICE_KEY)
            ),
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


def exec_plugin(version: str, command: str) -> dict[str, object]:
    """Return a user's section `exec` as in the documents."""
    return {
        "apiVersion": f"client.authentication.k8s.io/{version}",
        "command": command,
        "args": ["-i", CLUSTER],
        "interactiveMode": "Never",
    }
