"""A control plane, its daemon, and kubectl with an AWS key."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import Any

from tests.e2e.rig.control_plane import ControlPlane
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import CLUSTER, Key, bare_environment, credentials_in_environment, script
from tests.integration.rig.settings import USUAL_USERS, settings_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A control plane and its daemon."""

    cluster: ControlPlane
    daemon: DaemonProcess
    evidence: Evidence

    def kubectl(self, key: Key, *arguments: str, program: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl with an AWS key. `program` defaults to the newest one."""
        folder = self.cluster.folder
        plugin = {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": script("authd-token"),
            "args": ["-i", CLUSTER],
            "interactiveMode": "Never",
        }
        kubeconfig = self.cluster.user_kubeconfig(folder / "user.kubeconfig", plugin)
        options = ["--kubeconfig", str(kubeconfig), "--cache-dir", str(folder / "cache")]
        done = subprocess.run(
            [program or self.cluster.assets.kubectl, *options, *arguments],
            env=bare_environment(folder, AWS_REGION="us-east-1", **credentials_in_environment(key)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.evidence.said("kubectl", done.stdout + done.stderr)
        return done

    def status(self, token: str) -> int:
        """List namespaces with a token, and return the status of the response."""
        return self.cluster.request("GET", "/api/v1/namespaces", token=token)[0]

    def whoami(self, token: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        """Post a SelfSubjectReview with a token. Returns the status, and the user if there is one."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        status, answer = self.cluster.request("POST", path, review, token=token, headers=headers)
        return status, answer["status"]["userInfo"] if status == 201 else {}

    def review(self, token: str, audiences: list[str] | None = None) -> dict[str, Any]:
        """Return the status of a TokenReview that the administrator posts to the API server."""
        spec = {"token": token} | ({"audiences": audiences} if audiences else {})
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        status, answer = self.cluster.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body)
        assert status == 201, answer
        return dict(answer["status"])


def write_settings(daemon: DaemonProcess, sts: dict[str, Any], *more: dict[str, Any], **server: Any) -> None:
    """Replace the settings by a rename, as an editor does. `more` are further entries of `mapUsers`."""
    new = daemon.settings.with_suffix(".new")
    new.write_text(settings_text(sts=sts, users=[*USUAL_USERS, *more], healthPort=0, **server))
    new.replace(daemon.settings)
