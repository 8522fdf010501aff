"""A machine in a folder: a control-plane node, its cluster, and the reader's shell.

`authd`, `authd-token`, kubectl, helm, kubeadm and kube-apiserver are real. `systemctl` starts the real daemon without
systemd, `aws s3` copies between folders, and users and roles are in an emulated STS. The paths, ports and addresses of
the pages are replaced by those of the folder.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from authd.emulator.directory.sample import ACCOUNT, ALICE_KEY, WEB_IDENTITY_TOKEN
from authd.emulator.process import EmulatorProcess
from tests.e2e.rig.assets import Assets
from tests.e2e.rig.control_plane import ControlPlane
from tests.guides.assets.installers import find_installer
from tests.guides.rig import systemctl
from tests.integration.rig.minting import bare_environment, credentials_in_environment
from tests.integration.rig.ports import free_ports

ROOT = Path(__file__).parents[3]
CLUSTER = "my-cluster.example.com"
_STS_HOST = "sts.us-east-1.amazonaws.com"
_SERVER = "https://api.my-cluster.example.com"

#: The users and roles of the guides.
_DIRECTORY = {
    "users": [
        {"account": ACCOUNT, "name": "alice", "accessKeys": [{"id": ALICE_KEY[0], "secret": ALICE_KEY[1]}]},
    ],
    "roles": [
        {"account": ACCOUNT, "name": "KubernetesAdmin", "trusts": [f"arn:aws:iam::{ACCOUNT}:root"]},
        {"account": ACCOUNT, "name": "Pipeline"},
    ],
    "webIdentities": [
        {
            "token": WEB_IDENTITY_TOKEN,
            "subject": "repo:my-company/my-repository:ref:refs/heads/main",
            "provider": "token.actions.githubusercontent.com",
            "audience": "sts.amazonaws.com",
            "roles": [f"arn:aws:iam::{ACCOUNT}:role/Pipeline"],
        }
    ],
}

#: `authd` with its default paths in the folder. `init --out` writes files for another machine, with the page's paths.
_AUTHD = """\
#!/bin/sh
case " $* " in
" init"*" -c "* | " init"*" --config "*) exec {authd} "$@" ;;
" init"*" --out "*) exec {authd} "$@" --port {port} ;;
" init "*) exec {authd} "$@" --port {port} --state-dir {state} --generate-kubeconfig {kubeconfig} ;;
*) exec {authd} "$@" ;;
esac
"""

#: `aws s3 cp` between folders instead of buckets. The rest is the AWS CLI with an emulated account.
_AWS = """\
#!/bin/sh
[ "$1 $2" = "s3 cp" ] || exec env -u AWS_CA_BUNDLE -u AWS_ENDPOINT_URL_STS AWS_ENDPOINT_URL="$ACCOUNT_URL" {aws} "$@"
shift 2
[ "$1" = --recursive ] && shift
from=$(echo "$1" | sed "s|^s3://|{buckets}/|") to=$(echo "$2" | sed "s|^s3://|{buckets}/|")
if [ -d "$from" ]; then cp -R "$from/." "$to"; else mkdir -p "$(dirname "$to")" && cp "$from" "$to"; fi
"""

_PRELUDE = "set -aeo pipefail\n[ ! -e {saved} ] || . {saved}\n"
_POSTLUDE = "\nexport -p >{saved}\n"


class Machine:
    """The machine. `work` is the reader's folder, and `cluster` the running API server."""

    def __init__(self, folder: Path, emulator: EmulatorProcess, assets: Assets) -> None:
        self.folder = folder
        self.emulator = emulator
        self.assets = assets
        self.port, self.health_port = free_ports(2)
        self.work = folder / "work"
        self.home = folder / "home"
        self.state = folder / "state"
        self.kubeconfig = folder / "kubernetes" / "authd" / "kubeconfig.yaml"
        self.manifest = folder / "kubernetes" / "manifests" / "kube-apiserver.yaml"
        self.settings = folder / "etc" / "config.yaml"
        self.cluster: ControlPlane | None = None
        self.account_url = ""
        self.processes: list[subprocess.Popen[bytes]] = []
        self._bin = folder / "bin"
        for path in (self.work, self.home / ".kube", self.settings.parent, self.manifest.parent, self._bin):
            path.mkdir(parents=True)
        (self.work / "deploy").symlink_to(ROOT / "deploy")
        self._write_programs()

    # Files and scripts

    def write(self, path: str, text: str) -> None:
        """Write a file of the page. In settings of a daemon, ports, paths and STS become those of this machine."""
        place = self.work / self.translated(path)
        if place == self.settings:
            text = self.settings_of(text)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(self.translated(text))

    def settings_of(self, text: str, **server: object) -> str:
        """Return settings of a page for this machine."""
        settings = yaml.safe_load(text)
        endpoint = {"host": _STS_HOST, "connect": f"127.0.0.1:{self.emulator.port}", "caFile": self.emulator.ca}
        settings["server"] = settings.get("server", {}) | {
            "port": self.port,
            "healthPort": self.health_port,
            "stateDir": str(self.state),
            "generateKubeconfig": str(self.kubeconfig),
            "sts": {"endpoints": [endpoint]},
            **server,
        }
        return yaml.safe_dump(settings, sort_keys=False)

    def run(self, script: str) -> str:
        """Run a script as the reader does, and return its output. Raises `AssertionError` if a command fails."""
        saved = shlex.quote(str(self.folder / "variables"))
        text = _PRELUDE.format(saved=saved) + self.translated(script) + _POSTLUDE.format(saved=saved)
        done = subprocess.run(
            ["bash", "-c", text], cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n--- exit status {done.returncode}\n{done.stdout}"
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        """The reader's environment, with Alice's keys."""
        found = bare_environment(self.home, **credentials_in_environment(ALICE_KEY))
        helm = find_installer("helm")
        programs = [str(self._bin), *([str(Path(helm).parent)] if helm else []), str(Path(sys.executable).parent)]
        return found | {
            "PATH": ":".join([*programs, found["PATH"]]),
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",  # the only name that version 1 of the AWS CLI reads
            "AWS_ENDPOINT_URL_STS": f"https://127.0.0.1:{self.emulator.port}",
            "AWS_CA_BUNDLE": self.emulator.ca,
            "ACCOUNT_URL": self.account_url,
        }

    def translated(self, text: str, *, back: bool = False) -> str:
        """Replace the pages' paths, ports and addresses with the real ones, or back."""
        pairs = [
            ("/etc/authd/", f"{self.settings.parent}/"),
            ("/usr/share/doc/authd/examples/", f"{ROOT}/deploy/debian/"),
            ("/var/lib/authd", str(self.state)),
            ("/etc/kubernetes/", f"{self.manifest.parents[1]}/"),
            ("/etc/rancher/", f"{self.folder}/rancher/"),
            ("/srv/kubernetes", f"{self.folder}/srv"),
            ("/var/etc/authd", f"{self.folder}/var-etc"),
            ("/var/aws-iam-authenticator", f"{self.folder}/srv/aws-iam-authenticator"),
            ("/root/authd-ca", f"{self.folder}/root/authd-ca"),
            (":21362", f":{self.port}"),
            (":21363", f":{self.health_port}"),
        ]
        if self.cluster is not None:
            pairs.append((_SERVER, self.cluster.url))
        for page, real in pairs:
            # A path within another one, such as /tmp/x/etc/authd/, is not the page's.
            text = (
                text.replace(real, page)
                if back
                else re.sub(
                    rf"(?<![\w.-]){re.escape(page)}" if page.startswith("/") else re.escape(page),
                    lambda _, r=real: r,
                    text,
                )
            )
        return text

    # The node

    def systemctl(self, verb: str) -> None:
        """Start or stop the daemon."""
        command = [sys.executable, systemctl.__file__, str(self.folder), verb, "authd.service"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def start(self, cluster: ControlPlane) -> None:
        """Replace the running control plane, and write its administrator's kubeconfigs."""
        self.stop_cluster()
        cluster.__enter__()
        self.cluster = cluster
        admin = json.loads(cluster.admin_kubeconfig().read_text())
        admin["clusters"][0]["name"] = "my-cluster"
        files = admin["users"][0]["user"]
        user = {f"{name}-data": base64.b64encode(Path(file).read_bytes()).decode() for name, file in files.items()}
        admin["users"] = [{"name": "admin", "user": user}]
        admin["contexts"] = [{"name": "admin", "context": {"cluster": "my-cluster", "user": "admin"}}]
        admin["current-context"] = "admin"
        for path in (self.home / ".kube" / "config", self.work / "admin.conf", self.work / "my-cluster.kubeconfig"):
            path.write_text(yaml.safe_dump(admin))

    def stop_cluster(self) -> None:
        """Stop the control plane if there is one."""
        if self.cluster is not None:
            self.cluster.__exit__()
            self.cluster = None

    def stop_processes(self) -> None:
        """End all processes of this machine, such as pods, except the daemon and the cluster."""
        for process in self.processes:
            process.terminate()
            process.wait(60)
        self.processes.clear()

    def stop(self) -> None:
        """End every process."""
        self.stop_processes()
        self.systemctl("stop")
        self.stop_cluster()

    def forget_files(self) -> None:
        """Remove the certificates and the webhook kubeconfig, as on a new node."""
        for folder in (self.state, self.kubeconfig.parent):
            shutil.rmtree(folder, ignore_errors=True)

    def get(self, path: str) -> Any:
        """Get an object from the API server, as the administrator."""
        assert self.cluster is not None
        status, found = self.cluster.request("GET", path)
        assert status == 200, found
        return found

    def _write_programs(self) -> None:
        authd = f"{shlex.quote(sys.executable)} -m authd.cli.main"
        places = {"state": self.state, "kubeconfig": self.kubeconfig, "port": self.port}
        aws = shlex.quote(str(Path(sys.executable).with_name("aws")))
        programs = {
            "authd": _AUTHD.format(authd=authd, **places),
            "aws": _AWS.format(aws=aws, buckets=self.folder / "buckets"),
            "systemctl": f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {systemctl.__file__} {self.folder} "$@"\n',
            "kubectl": f'#!/bin/sh\nexec {self.assets.kubectl} --cache-dir {self.folder / "cache"} "$@"\n',
        }
        if kubeadm := find_installer("kubeadm"):
            programs["kubeadm"] = f'#!/bin/sh\nexec {kubeadm} "$@"\n'
        for name, text in programs.items():
            (self._bin / name).write_text(text)
            (self._bin / name).chmod(0o755)


@contextmanager
def machine(folder: Path, assets: Assets) -> Iterator[Machine]:
    """Run a machine with its emulated STS until the block ends."""
    directory = folder / "directory.json"
    directory.write_text(json.dumps(_DIRECTORY))
    with EmulatorProcess("--ca-out", str(folder / "sts-ca.pem"), "--directory", str(directory)) as emulator:
        running = Machine(folder, emulator, assets)
        try:
            yield running
        finally:
            with suppress(AssertionError):
                running.stop()


def is_root() -> bool:
    """Return whether processes can run as other users."""
    return os.geteuid() == 0
