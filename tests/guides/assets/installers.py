"""The installers of the guides: their Go modules, pinned versions and places in the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.assets import programs

_MODULES = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer(programs.Program):
    """A program for the tests of the guides. Its module is in this folder or in that of the end-to-end tests."""

    @property
    def module(self) -> Path:
        """The folder of the module."""
        own = _MODULES / self.folder
        return own if own.exists() else Path(programs.__file__).parent / self.folder

    @property
    def cached(self) -> Path:
        """The path of the program, in a folder named after its version and a digest of its sources."""
        sources = b"".join(path.read_bytes() for path in sorted(self.module.glob("*.go")))
        digest = f"-{hashlib.sha256(sources).hexdigest()[:8]}" if sources else ""
        return caches() / f"{self.name}-{self.version}{digest}" / self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """YAML files of Go modules: a subfolder with go.mod and go.sum, and a pattern of files for each module."""

    folder: str
    patterns: Mapping[str, str]

    @property
    def module(self) -> Path:
        """The folder of the module."""
        return _MODULES / self.folder

    @property
    def cached(self) -> Path:
        """The folder for copies of the files, named after a digest of the versions."""
        digest = hashlib.sha256((self.module / "go.mod").read_bytes()).hexdigest()[:8]
        return caches() / f"{self.folder}-{digest}"


#: kubeadm, and our own programs with the code of installers, in the order of the build. The shortest is first.
INSTALLERS = (
    Installer(name="talos-check", package=".", folder="talos", requirement="github.com/siderolabs/talos/pkg/machinery"),
    Installer(
        name="kubeadm",
        package="k8s.io/kubernetes/cmd/kubeadm",
        folder="kubernetes",
        requirement="k8s.io/kubernetes",
        version_package="k8s.io/component-base/version",
    ),
    Installer(name="kops-check", package=".", folder="kops", requirement="k8s.io/kops"),
)
#: The custom resources of Cluster API and of its provider for AWS.
CLUSTER_API = Manifests(
    folder="cluster_api",
    patterns={
        "sigs.k8s.io/cluster-api": "controlplane/kubeadm/config/crd/bases/*_kubeadmcontrolplanes.yaml",
        "sigs.k8s.io/cluster-api-provider-aws/v2": "config/crd/bases/infrastructure.*_awsclusters.yaml",
    },
)


def caches() -> Path:
    """Return the folder of all caches."""
    return programs.cache_folder().parent


def missing_installers() -> list[Installer]:
    """Return the installers that are not cached."""
    return [each for each in INSTALLERS if not os.access(each.cached, os.X_OK)]


def find_installer(name: str) -> str | None:
    """Return the path of an installer or of helm, from its cache or PATH. None if it is missing."""
    cached = [each.cached for each in INSTALLERS if each.name == name] or sorted(caches().glob(f"{name}-*/{name}"))
    return next((str(path) for path in reversed(cached) if os.access(path, os.X_OK)), None) or shutil.which(name)


def find_custom_resources() -> list[Path]:
    """Return the files with the custom resources of Cluster API. Empty if they are missing."""
    return sorted(CLUSTER_API.cached.glob("*.yaml"))
