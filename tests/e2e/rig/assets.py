"""Where kube-apiserver, etcd and kubectl are: KUBEBUILDER_ASSETS, as envtest has it, or PATH."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """Paths of the programs that a control plane is made of."""

    apiserver: str
    etcd: str
    kubectl: str


def find_assets() -> Assets | None:
    """Return the programs, or None where one is missing."""
    folder = os.environ.get("KUBEBUILDER_ASSETS", "")
    path = os.pathsep.join(filter(None, [str(Path(folder).expanduser()) if folder else "", os.environ.get("PATH", "")]))
    found = {name: shutil.which(name, path=path) for name in ("kube-apiserver", "etcd", "kubectl")}
    if not all(found.values()):
        return None
    return Assets(apiserver=str(found["kube-apiserver"]), etcd=str(found["etcd"]), kubectl=str(found["kubectl"]))
