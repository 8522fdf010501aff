"""The Go programs of the tests: their modules, pinned versions and the cache folders."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_MODULES = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program and its module: a subfolder with go.mod and go.sum, which pin every version by its hash."""

    name: str
    package: str
    folder: str
    #: The requirement in go.mod with the program's version.
    requirement: str
    #: The Go package with the program's version variables.
    version_package: str = ""

    @property
    def module(self) -> Path:
        """The folder of the module."""
        return _MODULES / self.folder

    @property
    def version(self) -> str:
        """The version in go.mod, such as `v1.37.2`."""
        text = (self.module / "go.mod").read_text("ascii")
        match = re.search(rf"^\s*(?:require )?{re.escape(self.requirement)} (v\S+)", text, re.MULTILINE)
        assert match, f"{self.requirement} is not in {self.module / 'go.mod'}"
        return match[1]

    @property
    def linker_flags(self) -> str:
        """Flags that omit symbols, and set the program's version if it can't determine it itself."""
        if not self.version_package:
            return "-s -w"
        major, minor, _ = self.version.removeprefix("v").split(".", 2)
        values = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
        return " ".join(["-s -w", *(f"-X {self.version_package}.{name}={value}" for name, value in values.items())])


#: In the order of the build. The shortest is first.
PROGRAMS = (
    Program(
        name="aws-iam-authenticator",
        package="sigs.k8s.io/aws-iam-authenticator/cmd/aws-iam-authenticator",
        folder="authenticator",
        requirement="sigs.k8s.io/aws-iam-authenticator",
    ),
    Program(name="etcd", package="go.etcd.io/etcd/server/v3", folder="etcd", requirement="go.etcd.io/etcd/server/v3"),
    Program(
        name="kube-apiserver",
        package="k8s.io/kubernetes/cmd/kube-apiserver",
        folder="kubernetes",
        requirement="k8s.io/kubernetes",
        version_package="k8s.io/component-base/version",
    ),
)
#: Programs of tests/deploy, in a separate folder, so that a new version does not rebuild the others.
TOOLS = (Program(name="helm", package="helm.sh/helm/v4/cmd/helm", folder="helm", requirement="helm.sh/helm/v4"),)


def cache_folder(programs: Sequence[Program] = PROGRAMS) -> Path:
    """Return the folder for programs of these versions. It may not exist yet."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return caches / "authd-e2e" / "_".join(f"{program.name}-{program.version}" for program in programs)


def missing_programs(programs: Sequence[Program] = PROGRAMS) -> list[Program]:
    """Return the programs that are not in their folder."""
    folder = cache_folder(programs)
    return [program for program in programs if not os.access(folder / program.name, os.X_OK)]
