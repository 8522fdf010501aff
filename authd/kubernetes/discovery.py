"""Finds the API server by a kubeconfig, by `--master`, or from within the cluster.

Source of the in-cluster files and variables: Kubernetes, "Accessing the Kubernetes API from a Pod".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from authd.core.errors import ConfigError, Problem
from authd.kubernetes.access import ClusterAccess, Content
from authd.kubernetes.kubeconfig import RunPlugin, load_kubeconfig
from authd.kubernetes.server_url import parse_server

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def find_cluster(
    *,
    kubeconfig: str = "",
    master: str = "",
    context: str = "",
    environment: Mapping[str, str],
    service_account: str = SERVICE_ACCOUNT,
    run_plugin: RunPlugin | None = None,
) -> ClusterAccess:
    """Return the address and credentials of the API server. Raises `ConfigError` if there are none.

    They are those of `kubeconfig` or, without one, of the pod's service account. `master` replaces the address.
    """
    if kubeconfig:
        return load_kubeconfig(kubeconfig, context=context, server=master, run_plugin=run_plugin)
    access = _in_cluster(environment, Path(service_account), master)
    if not master:
        return access
    try:
        address = parse_server(master)
    except ValueError as error:
        raise _unusable("server.master", f"{error}") from None
    return replace(access, host=address.host, port=address.port, path=address.path)


def _in_cluster(environment: Mapping[str, str], folder: Path, master: str) -> ClusterAccess:
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    token, ca = folder / "token", folder / "ca.crt"
    if not token.exists() or not (host or master):
        raise _unusable(
            "server.kubeconfig",
            f"it is not set, and this is not a pod with a service account (no {token}): name a kubeconfig file",
        )
    return ClusterAccess(
        host=host,
        port=int(port) if port.isascii() and port.isdigit() else 443,
        namespace=_namespace(folder),
        ca=Content(file=str(ca)),
        token=Content(file=str(token)),  # the kubelet replaces it well before it expires
    )


def _namespace(folder: Path) -> str:
    try:
        return (folder / "namespace").read_text("utf-8").strip() or "default"
    except (OSError, ValueError):
        return "default"


def _unusable(setting: str, message: str) -> ConfigError:
    return ConfigError((Problem(file=setting, line=0, column=0, message=message),))
