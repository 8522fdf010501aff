"""Manifests from the field with only the image changed: the daemon starts with their arguments, files and user."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.integration.rig.minting import bare_environment, script

MANIFESTS = sorted((Path(__file__).parent / "manifests").glob("*.yaml"))
LISTENING = "listening on https://"


class Pod:
    """The container of a manifest's DaemonSet, with its volumes in a folder instead of `/`."""

    def __init__(self, path, root):
        objects = {each["kind"]: each for each in yaml.safe_load_all(path.read_text("utf-8"))}
        self._files = objects["ConfigMap"]["data"]
        self._spec = objects["DaemonSet"]["spec"]["template"]["spec"]
        (self._container,) = self._spec["containers"]
        self.root = root

    @property
    def user(self):
        """The container's user, None for the image's own."""
        contexts = [self._container.get("securityContext", {}), self._spec.get("securityContext", {})]
        return next((each["runAsUser"] for each in contexts if "runAsUser" in each), None)

    @property
    def pregenerated(self):
        return "--kubeconfig-pregenerated=true" in self._container["args"]

    @property
    def environment(self):
        return {each["name"]: each["value"] for each in self._container.get("env", [])}

    @property
    def program(self):
        """The program: `command`, or the image's entry point."""
        return (self._container.get("command") or ["authd"])[0]

    @property
    def probes(self):
        return [self._container[name]["httpGet"] for name in ("livenessProbe",) if name in self._container]

    @property
    def arguments(self):
        """The arguments, with the mounts' paths moved into the folder."""
        arguments = list(self._container["args"])
        for place in self.mounts:
            arguments = [each.replace(str(place), str(self.inside(place))) for each in arguments]
        return arguments

    @property
    def mounts(self):
        """The mount points by the names of their volumes."""
        return {Path(each["mountPath"]): each["name"] for each in self._container["volumeMounts"]}

    def inside(self, place):
        return self.root / str(place).lstrip("/")

    def lay_out(self, links):
        """Create the volumes, with pre-generated files if the manifest wants them."""
        volumes = {each["name"]: each for each in self._spec["volumes"]}
        for place, name in self.mounts.items():
            folder = self.inside(place)
            folder.mkdir(parents=True)
            if "configMap" in volumes[name]:
                for file, text in self._files.items():
                    (folder / file).write_text(text)
            elif self.pregenerated:
                command = [str(links / "aws-iam-authenticator"), "init", "-i", "c"]
                subprocess.run(command, cwd=folder, check=True, timeout=60, capture_output=True)
        if os.geteuid() == 0 and self.user is not None:
            for path in (self.root, *(path for path in self.root.rglob("*") if not path.is_symlink())):
                os.chown(path, self.user, self.user)


@pytest.fixture
def root():
    """Return a folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="authd-pod-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def links(root):
    """Return a folder with the links of the container's image."""
    folder = root / "usr-local-bin"
    folder.mkdir()
    subprocess.run([script("authd"), "install-links", str(folder)], check=True, timeout=60)
    return folder


def with_defaults(pod, arguments):
    """Return the arguments, with the program's default paths also moved into the folder."""
    flags = " ".join(arguments)
    defaults = {"--state-dir": "/var/aws-iam-authenticator"}
    return [*arguments, *(f"{flag}={pod.inside(path)}" for flag, path in defaults.items() if flag not in flags)]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_starts_unchanged(path, root, links, start):
    """The daemon starts with a manifest's arguments, environment, files and user, and its probes pass."""
    pod = Pod(path, root)
    pod.lay_out(links)
    program = script("authd") if pod.program == "authd" else str(links / pod.program)
    user = pod.user if os.geteuid() == 0 else None
    launcher = [] if user is None else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    if user is not None and shutil.which("setpriv") is None:
        pytest.skip("needs setpriv to run as the manifest's user")
    if user is not None and not may_run(program, user):
        pytest.skip("the environment's interpreter is closed to other users")
    words = [*launcher, program, *with_defaults(pod, pod.arguments)]
    executable = shutil.which(words[0]) or words[0]
    daemon = start(executable, *words[1:], environment=pod.environment, program=executable)
    event = daemon.wait_for_message(LISTENING)
    assert [each for each in daemon.events() if each["level"] in {"error", "critical"}] == []
    kubeconfig = root / "etc/kubernetes/aws-iam-authenticator/kubeconfig.yaml"
    assert kubeconfig.exists() != pod.pregenerated
    for probe in pod.probes:
        port = event["port"] if probe["port"] == 21362 else event["health_port"]
        assert answered(probe.get("scheme", "HTTP").lower(), port, probe["path"]) == 200


def may_run(program, user):
    """Return whether a user may run the program, since the virtual environment may be in a private folder."""
    command = ["setpriv", f"--reuid={user}", "--clear-groups", program, "version"]
    environment = bare_environment(Path("/nonexistent"))
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False).returncode == 0


def answered(scheme, port, path):
    """Return the status of a probe. Kubelets do not verify certificates."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(f"{scheme}://127.0.0.1:{port}{path}")
    with urllib.request.urlopen(request, timeout=60, context=context if scheme == "https" else None) as response:
        return response.status
