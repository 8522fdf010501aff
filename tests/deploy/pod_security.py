"""The rules of PodSecurity's level `restricted` that apply to a DaemonSet.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: The volume types that `restricted` allows.
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def violations(pod: dict[str, Any]) -> Iterator[str]:
    """Yield the violations of a pod's spec, each in one or two words."""
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield name
    for volume in pod.get("volumes", ()):
        kinds = volume.keys() - {"name"}
        if not kinds <= _VOLUMES:
            yield f"{kinds.pop()} {volume['name']}"
    shared = pod.get("securityContext", {})
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        security = {**shared, **container.get("securityContext", {})}
        yield from (f"{container['name']}: {fault}" for fault in _faults(container, security))


def _faults(container: dict[str, Any], security: dict[str, Any]) -> Iterator[str]:
    capabilities = security.get("capabilities", {})
    if security.get("privileged") or security.get("allowPrivilegeEscalation") is not False:
        yield "privileges"
    if security.get("runAsNonRoot") is not True or security.get("runAsUser") == 0:
        yield "root"
    if security.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "seccomp"
    if capabilities.get("drop") != ["ALL"] or not set(capabilities.get("add", ())) <= {"NET_BIND_SERVICE"}:
        yield "capabilities"
    probes = [container.get(name, {}) for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    if any(probe.get(kind, {}).get("host") for probe in probes for kind in ("httpGet", "tcpSocket")):
        yield "probe host"  # since Kubernetes 1.34
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield "hostPort"
