"""A control-plane node in a folder: a daemon, an emulated STS, and the operators' commands.

`authd`, `authd-token`, curl and the shell are real. `sudo`, `journalctl`, `kubectl` and `editor` are small programs, and
`systemctl` acts on the test's daemon. The pages' paths and ports are replaced by those of the folder.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from authd.emulator.directory.sample import ALICE_KEY
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import bare_environment, credentials_in_environment
from tests.integration.rig.ports import free_ports

CLUSTER = "my-cluster.example.com"
STS_HOST = "sts.us-east-1.amazonaws.com"
#: The reference in the pages, replaced by that of the latest refusal.
_REFERENCE = "3f9a01c2"
_SYSTEMCTL = re.compile(r"(?:sudo )?systemctl (start|stop|restart) .*")
_REFUSAL = re.compile(r"reference ([0-9a-f]{8})\]")

#: Commands of authd with their default paths in the folder.
_AUTHD = """\
#!/bin/sh
command=$1
shift
case $command in
doctor) exec {authd} doctor -c {config} --manifest {manifest} --state-dir {state} "$@" ;;
why|reload) exec {authd} "$command" -c {config} "$@" ;;
*) exec {authd} "$command" "$@" ;;
esac
"""


class Node:
    """The node. `key` is the user's AWS key, and `token_options` are further options of authd-token."""

    def __init__(self, folder: Path, emulator: EmulatorProcess, evidence: Evidence) -> None:
        self.folder = folder
        self.emulator = emulator
        self.port, self.health_port = free_ports(2)
        self.key: tuple[str, ...] = ALICE_KEY
        self.token_options: list[str] = []
        self.edit: Callable[[Node], None] = lambda _: None
        self.audit = folder / "audit.jsonl"
        self.apiserver_log = folder / "kube-apiserver.log"
        self.manifest = folder / "manifests" / "kube-apiserver.yaml"
        self.daemon = DaemonProcess(
            folder / "node", evidence, arguments=["--port", str(self.port), "--kubeconfig-pregenerated"]
        )
        self._bin = folder / "bin"
        self._bin.mkdir()
        self.apiserver_log.touch()
        self._write_manifest()

    def write_settings(self, text: str, **sts: object) -> None:
        """Write a settings file with these mappings (YAML below `server`), and with the emulator as STS."""
        endpoint = {"host": STS_HOST, "connect": f"127.0.0.1:{self.emulator.port}", "caFile": self.emulator.ca}
        server = {
            "port": self.port,
            "healthPort": self.health_port,
            "stateDir": str(self.daemon.state),
            "generateKubeconfig": str(self.daemon.kubeconfig),
            "auditLog": str(self.audit),
            "sts": {"endpoints": [endpoint], **sts},
        }
        head = yaml.safe_dump({"clusterID": CLUSTER, "server": server}, sort_keys=False)
        self.daemon.settings.write_text(head + text)

    def start(self) -> None:
        """Create the certificates and the kubeconfig, and start the daemon as the unit does."""
        self.run("authd init -c /etc/authd/config.yaml")
        self.daemon.start()

    def run(self, line: str) -> str:
        """Run a command of a page. Returns its output with the page's paths, ports and reference."""
        if systemctl := _SYSTEMCTL.fullmatch(line):
            return self._systemctl(systemctl[1])
        if "editor " in line:
            self.edit(self)
            return ""
        self._write_programs()
        done = subprocess.run(
            ["bash", "-c", self._translated(line)], env=self._environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False, cwd=self.folder,
        )  # fmt: skip
        return self._translated(done.stdout, back=True)

    def _systemctl(self, verb: str) -> str:
        if verb != "start" and hasattr(self.daemon, "process"):
            self.daemon.stop()
        if verb != "stop":
            self.daemon.start()
        return ""

    def _environment(self) -> dict[str, str]:
        environment = bare_environment(self.folder, **credentials_in_environment(self.key))
        environment["PATH"] = f"{self._bin}:{Path(sys.executable).parent}:{environment['PATH']}"
        return environment | {
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_STS": f"https://127.0.0.1:{self.emulator.port}",
            "AWS_CA_BUNDLE": self.emulator.ca,
        }

    def _write_programs(self) -> None:
        python, kubectl = shlex.quote(sys.executable), Path(__file__).with_name("kubectl.py")
        options = shlex.join(["-i", CLUSTER, *self.token_options])
        logs = " ".join(shlex.quote(str(path)) for path in sorted(self.daemon.folder.glob("output.*")))
        programs = {
            "sudo": '#!/bin/sh\nexec "$@"\n',
            "journalctl": f"#!/bin/sh\nexec cat {logs or '/dev/null'}\n",
            "kubectl": f'#!/bin/sh\nexec {python} {kubectl} {self.daemon.kubeconfig} {self.apiserver_log} {options} -- "$@"\n',
            "authd": _AUTHD.format(
                authd=f"{python} -m authd.cli.main",
                config=self.daemon.settings,
                manifest=self.manifest,
                state=self.daemon.state,
            ),
        }
        for name, text in programs.items():
            (self._bin / name).write_text(text)
            (self._bin / name).chmod(0o755)

    def _translated(self, text: str, *, back: bool = False) -> str:
        """Replace the pages' paths, ports and reference with the real ones, or back."""
        pairs = [
            ("/etc/authd/config.yaml", str(self.daemon.settings)),
            ("/etc/authd", str(self.daemon.settings.parent)),
            ("/var/lib/authd", str(self.daemon.state)),
            ("/etc/kubernetes/authd/kubeconfig.yaml", str(self.daemon.kubeconfig)),
            ("/etc/kubernetes/manifests/kube-apiserver.yaml", str(self.manifest)),
            ("/var/log/authd/audit.jsonl", str(self.audit)),
            ("/var/log/containers/kube-apiserver-*.log", str(self.apiserver_log)),
            (":21362", f":{self.port}"),
            (":21363", f":{self.health_port}"),
            (f"{STS_HOST}:443", f"127.0.0.1:{self.emulator.port}"),
        ]
        references = _REFUSAL.findall(self.apiserver_log.read_text())
        if references:
            pairs.append((_REFERENCE, references[-1]))
        for page, real in pairs:
            text = text.replace(real, page) if back else text.replace(page, real)
        return text

    def _write_manifest(self) -> None:
        kubeconfig = self.daemon.kubeconfig
        container = {
            "name": "kube-apiserver",
            "command": ["kube-apiserver", f"--authentication-token-webhook-config-file={kubeconfig}"],
            "volumeMounts": [{"name": "authd", "mountPath": str(kubeconfig.parent), "readOnly": True}],
        }
        volume = {"name": "authd", "hostPath": {"path": str(kubeconfig.parent), "type": "Directory"}}
        spec = {"hostNetwork": True, "containers": [container], "volumes": [volume]}
        self.manifest.parent.mkdir()
        self.manifest.write_text(yaml.safe_dump({"kind": "Pod", "spec": spec}))
