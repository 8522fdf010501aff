"""Finds the Go programs in KUBEBUILDER_ASSETS (as envtest does), in the cache of `make e2e`, and on PATH."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.assets.programs import cache_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """Paths of a control plane's programs, and of every kubectl. The newest is first."""

    apiserver: str
    etcd: str
    kubectls: tuple[str, ...]

    @property
    def kubectl(self) -> str:
        """The path of the newest kubectl."""
        return self.kubectls[0]


def _find(name: str) -> list[str]:
    """Return the paths of a program. The preferred one is first."""
    chosen = os.environ.get("KUBEBUILDER_ASSETS", "")
    # A kubectl from PyPI is in the interpreter's folder.
    folders = [Path(chosen).expanduser()] if chosen else []
    folders += [cache_folder(), Path(sys.executable).parent]
    paths = [str(folder) for folder in folders] + os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = (shutil.which(name, path=path) for path in paths if path)
    return list(dict.fromkeys(path for path in found if path))


def find_authenticator() -> str | None:
    """Return the path of aws-iam-authenticator, None if it is missing."""
    return next(iter(_find("aws-iam-authenticator")), None)


def find_assets() -> Assets | None:
    """Return the programs, None if one is missing."""
    apiservers, etcds, kubectls = (_find(name) for name in ("kube-apiserver", "etcd", "kubectl"))
    if not (apiservers and etcds and kubectls):
        return None
    return Assets(apiserver=apiservers[0], etcd=etcds[0], kubectls=tuple(kubectls))
