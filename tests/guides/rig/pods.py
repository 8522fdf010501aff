"""A node's pods: the containers of a DaemonSet as processes, with the mounts replaced by folders."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.guides.rig.machine import Machine, is_root
from tests.integration.rig.minting import script

_SECONDS = 60


class Pod:
    """A pod of a DaemonSet on this machine."""

    def __init__(self, machine: Machine, namespace: str, name: str) -> None:
        self._machine = machine
        self._namespace = namespace
        self._folder = machine.folder / "pods" / name
        found = machine.get(f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}")
        self._spec: dict[str, Any] = found["spec"]["template"]["spec"]
        self._volumes = {volume["name"]: self._volume(volume) for volume in self._spec["volumes"]}

    def start(self, *more: str) -> None:
        """Run the init containers, start the container with further arguments, and wait until it is ready."""
        for container in self._spec.get("initContainers", ()):
            self._run(container)
        (container,) = self._spec["containers"]
        arguments = [self._path(container, argument) for argument in container.get("args", ())]
        with (self._machine.folder / "pod.log").open("ab") as log:
            process = subprocess.Popen(
                [*self._as_user(container), *self._entrypoint(container), *arguments, *more],
                env=self._machine.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._machine.processes.append(process)
        self._wait(process)

    def _entrypoint(self, container: dict[str, Any]) -> list[str]:
        """Return the image's entry point, with this machine's ports if the arguments are the addon's."""
        assert "command" not in container
        return [script("authd")]

    def _as_user(self, container: dict[str, Any]) -> list[str]:
        user = container["securityContext"]["runAsUser"]
        return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if is_root() else []

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        for _ in range(_SECONDS * 10):
            address = f"http://127.0.0.1:{self._machine.health_port}/readyz"
            with suppress(OSError), urllib.request.urlopen(address, timeout=5):
                return
            assert process.poll() is None, (self._machine.folder / "pod.log").read_text()[-3000:]
            time.sleep(0.1)
        raise AssertionError((self._machine.folder / "pod.log").read_text()[-3000:])

    def _run(self, container: dict[str, Any]) -> None:
        command = [self._path(container, word) for word in [*container["command"], *container["args"]]]
        if not is_root():  # only root can change owners
            command[-1] = re.sub(r"(?m)^chown .*$", "", command[-1])
        done = subprocess.run(command, env=self._machine.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def _path(self, container: dict[str, Any], text: str) -> str:
        """Replace the paths of the mounts by their folders on this machine."""
        for mount in sorted(container["volumeMounts"], key=lambda each: len(each["mountPath"]), reverse=True):
            inside = mount["mountPath"].rstrip("/")
            text = re.sub(rf"(?<![\w.-]){re.escape(inside)}\b", lambda _, m=mount: str(self._volumes[m["name"]]), text)
        return text

    def _volume(self, volume: dict[str, Any]) -> Path:
        if "configMap" in volume:
            return self._config_map(volume["configMap"]["name"])
        place = Path(self._machine.translated(volume["hostPath"]["path"]))
        if volume["hostPath"].get("type") == "DirectoryOrCreate":
            place.mkdir(parents=True, exist_ok=True)
        assert place.is_dir(), f"{place} is missing on the node"
        return place

    def _config_map(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        data = self._machine.get(f"/api/v1/namespaces/{self._namespace}/configmaps/{name}")["data"]
        for key, text in data.items():
            (folder / key).write_text(self._machine.settings_of(text, **self._places()))
        return folder

    def _places(self) -> dict[str, str]:
        """Return the settings whose paths differ between the container and this machine."""
        (container,) = self._spec["containers"]
        hosts = {volume["name"]: volume["hostPath"]["path"] for volume in self._spec["volumes"] if "hostPath" in volume}
        mounts = {mount["mountPath"].rstrip("/"): mount["name"] for mount in container["volumeMounts"]}
        for init in self._spec.get("initContainers", ()):
            mounts |= {mount["mountPath"].rstrip("/"): mount["name"] for mount in init["volumeMounts"]}
        places = {}
        if (state := mounts.get("/var/lib/authd")) in hosts:
            places["stateDir"] = self._machine.translated(hosts[state])
        if (kubeconfig := mounts.get("/etc/kubernetes/authd")) in hosts:
            places["generateKubeconfig"] = f"{self._machine.translated(hosts[kubeconfig])}/kubeconfig.yaml"
        return places
