"""The steps of docs/migration.md: from aws-iam-authenticator to authd and back, with its binary if available."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.e2e.rig.assets import find_authenticator
from tests.field.conftest import SETTINGS
from tests.integration.rig.minting import bare_environment, script

ROOT = Path(__file__).parents[2]
THEIRS = find_authenticator()
SECONDS = 60


@pytest.fixture
def place(tmp_path):
    """Return the flags of a server of either program, and the path of its kubeconfig."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings, kubeconfig = tmp_path / "config.yaml", tmp_path / "kubeconfig.yaml"
    settings.write_text(SETTINGS)
    flags = [
        f"--config={settings}",
        f"--state-dir={tmp_path / 'state'}",
        f"--generate-kubeconfig={kubeconfig}",
        f"--port={port}",
    ]
    return flags, kubeconfig, port


class Server:
    """A running server of either program."""

    def __init__(self, command, folder):
        environment = bare_environment(folder, AWS_REGION="us-east-1")
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()  # the other program takes minutes to end by SIGTERM
        self.process.wait(SECONDS)


def trusted(kubeconfig):
    """Return the values that kube-apiserver reads at its start: the CA and the server's address."""
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
    return base64.b64decode(cluster["certificate-authority-data"]).decode(), cluster["server"]


def answers(authority, server, process):
    """Post a review as kube-apiserver does, verifying the certificate, and return the response."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "k8s-aws-v1.x"}}
    request = urllib.request.Request(server, json.dumps(review).encode(), {"Content-Type": "application/json"})
    end = time.monotonic() + SECONDS
    while True:
        assert process.poll() is None, "the server has ended"
        try:
            context = ssl.create_default_context(cadata=authority)
            # A certificate of aws-iam-authenticator is a CA and a server's at once.
            context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
            with urllib.request.urlopen(request, timeout=SECONDS, context=context) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as denied:
            return json.loads(denied.read())  # the other program refuses with 403
        except (ConnectionError, urllib.error.URLError) as error:
            if isinstance(getattr(error, "reason", None), ssl.SSLError) or time.monotonic() > end:
                raise
            time.sleep(0.1)


def links(folder):
    (folder / "links").mkdir()
    subprocess.run([script("authd"), "install-links", str(folder / "links")], check=True, timeout=SECONDS)
    return str(folder / "links" / "aws-iam-authenticator")


@pytest.mark.skipif(THEIRS is None, reason="needs aws-iam-authenticator, which `make e2e` builds")
def test_there_and_back(place, tmp_path):
    """Each program serves with the other's files and flags, and kube-apiserver needs no new kubeconfig."""
    flags, kubeconfig, _ = place
    (tmp_path / "state").mkdir()
    with Server([THEIRS, "server", *flags], tmp_path) as theirs:
        end = time.monotonic() + SECONDS
        while not kubeconfig.exists() and time.monotonic() < end:
            time.sleep(0.1)
        authority, server = trusted(kubeconfig)
        assert not answers(authority, server, theirs.process)["status"].get("authenticated")
    pair = (tmp_path / "state" / "cert.pem").read_bytes()
    for command in ([links(tmp_path), "server"], [script("authd"), "server"]):
        with Server([*command, *flags, "--health-port=0"], tmp_path) as ours:
            assert not answers(authority, server, ours.process)["status"].get("authenticated")
        assert (tmp_path / "state" / "cert.pem").read_bytes() == pair
        assert trusted(kubeconfig) == (authority, server)
    with Server([THEIRS, "server", *flags], tmp_path) as theirs:
        assert not answers(authority, server, theirs.process)["status"].get("authenticated")


@pytest.mark.skipif(THEIRS is None, reason="needs aws-iam-authenticator, which `make e2e` builds")
def test_back_with_authds_certificate(place, tmp_path):
    """aws-iam-authenticator serves the certificate that authd created, for the kubeconfig that authd wrote."""
    flags, kubeconfig, _ = place
    with Server([script("authd"), "server", *flags, "--health-port=0"], tmp_path) as ours:
        end = time.monotonic() + SECONDS
        while not kubeconfig.exists() and time.monotonic() < end:
            time.sleep(0.1)
        authority, server = trusted(kubeconfig)
        answers(authority, server, ours.process)
    with Server([THEIRS, "server", *flags, "--kubeconfig-pregenerated=true"], tmp_path) as theirs:
        assert not answers(authority, server, theirs.process)["status"].get("authenticated")


@pytest.mark.skipif(THEIRS is None, reason="needs aws-iam-authenticator, which `make e2e` builds")
@pytest.mark.parametrize("command", ["server", "token", "verify", "init", "version"])
def test_every_flag_is_known(command):
    """Each flag in aws-iam-authenticator's help is accepted."""
    shown = subprocess.run([THEIRS, command, "--help"], capture_output=True, text=True, timeout=SECONDS, check=True)
    theirs = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", shown.stdout, re.MULTILINE))
    ours = subprocess.run(
        [script("authd"), command, "--help"], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    hidden = {"--log-format", "--feature-gates", "--config", "--cluster-id"}  # flags of every command
    assert {flag for flag in theirs - hidden if flag not in ours.stdout} == set()


@pytest.mark.parametrize("command", ["check", "explain"])
def test_the_commands_of_the_guide(command, tmp_path):
    """The first commands of the guide work as written, on a file at the guide's path."""
    text = (ROOT / "docs" / "migration.md").read_text("utf-8")
    (line,) = re.findall(rf"^    authd ({command} .*)$", text, re.MULTILINE)
    file = tmp_path / "config.yaml"
    file.write_text(SETTINGS.replace("role/Admins", "role/KubernetesAdmin"))
    arguments = line.replace("/etc/aws-iam-authenticator/config.yaml", str(file)).split()
    ended = subprocess.run([script("authd"), *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can become another user")
def test_a_key_of_another_user():
    """If the daemon can't read the key, the message names the key's owner and the process's user."""
    state = Path(tempfile.mkdtemp(prefix="authd-field-"))
    state.chmod(0o755)
    become = ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups"]
    environment = bare_environment(Path("/nonexistent"))
    try:
        subprocess.run([script("authd"), "init", "-i", "c", "--out", str(state)], check=True, timeout=SECONDS)
        for path in (state, *state.iterdir()):
            os.chown(path, 10000, 10000)
        flags = ["-i", "c", f"--state-dir={state}", "--kubeconfig-pregenerated=true", "--port=0", "--health-port=0"]
        ended = subprocess.run(
            [*become, script("authd"), "server", *flags], env=environment, cwd="/", capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip
    finally:
        shutil.rmtree(state)
    if "setpriv: failed to execute" in ended.stderr:
        pytest.skip("the environment's interpreter is closed to other users")
    assert ended.returncode == 2
    assert "key.pem belongs to uid 10000 (mode 0600), but this process runs as uid 10001" in ended.stdout
    assert "runAsUser: 10000" in ended.stdout
