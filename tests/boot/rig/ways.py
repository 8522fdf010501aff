"""The two ways to install the daemon as a systemd service, with the exact commands of the guide and of the package."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.boot.rig import aws
from tests.boot.rig.control_plane import MANIFEST, ControlPlane
from tests.boot.rig.documents import ROOT, blocks, packages
from tests.boot.rig.node import Node

_KUBEADM = "docs/guides/kubeadm.md"
_SYSTEMD = "docs/guides/systemd.md"
_OPERATIONS, _UPGRADE = "docs/operations.md", "## Restart and upgrade"
_NO_SOURCES = shutil.ignore_patterns(
    ".git", ".venv*", "dist", "build", "site", "__pycache__", ".*_cache", ".hypothesis", "dropin.cache"
)


class Way(Protocol):
    """One way to install. `bin` is the folder of the commands, `python` the daemon's interpreter."""

    name: str
    bin: str
    python: str

    def bring(self, root: Path) -> None:
        """Copy the user's files to a root."""
        ...

    def install(self, node: Node) -> None:
        """Install, configure and start the daemon."""
        ...

    def add_webhook(self, node: Node, plane: ControlPlane) -> None:
        """Give kube-apiserver its flags."""
        ...

    def upgrade(self, node: Node) -> None:
        """Upgrade to another version."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FromClone:
    """The guide's steps in a clone."""

    name: str = "clone"
    bin: str = "/opt/authd/bin"
    python: str = "/opt/authd/bin/python"

    def bring(self, root: Path) -> None:
        """Copy the clone."""
        shutil.copytree(ROOT, root / "root/authd", ignore=_NO_SOURCES)

    def install(self, node: Node) -> None:
        """Follow the first four steps of the guide."""
        install, settings, certificates, start = blocks(_SYSTEMD, "## The daemon")[:4]
        node.machine.run("apt-get update --quiet", network=True)
        node.machine.run(packages(_SYSTEMD), network=True)
        node.step("Debian's packages installed")
        node.machine.run(f"cd /root/authd\n{install}", network=True)
        node.step("installed")
        aws.start_sts(node.machine, node.python)
        node.machine.run(settings)
        node.machine.run(certificates)
        node.machine.run(f"cd /root/authd\n{start}")

    def add_webhook(self, node: Node, plane: ControlPlane) -> None:
        """Insert the guide's lines into the manifest by hand."""
        lines = blocks(_SYSTEMD, "## The daemon")[4].splitlines()
        flags = [line.strip() for line in lines if line.strip().startswith("- --")]
        mount, volume = [line.strip() for line in lines if line.strip().startswith("- {") or "- name:" in line]
        source = next(line.strip() for line in lines if "hostPath:" in line)
        path = node.machine.root / MANIFEST.lstrip("/")
        text = path.read_text()
        text = text.replace("    image: registry", "".join(f"    {flag}\n" for flag in flags) + "    image: registry")
        text = text.replace("    volumeMounts:\n", f"    volumeMounts:\n    {mount}\n")
        text = text.replace("  volumes:\n", f"  volumes:\n  {volume}\n    {source}\n")
        path.write_text(text)
        assert plane.sync()

    def upgrade(self, node: Node) -> None:
        """Follow operations.md."""
        commands = blocks(_OPERATIONS, _UPGRADE)[0]
        newer = "sed -i 's/^__version__ = .*/__version__ = \"99\"/' authd/__init__.py"
        node.machine.run(f"cd /root/authd\n{newer}\n{commands}", network=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FromPackage:
    """The guide for kubeadm with the Debian package."""

    package: Path
    name: str = "package"
    bin: str = "/usr/bin"
    python: str = "/usr/lib/authd/bin/python3"

    def bring(self, root: Path) -> None:
        """Copy the package."""
        shutil.copy(self.package, root / "root" / self.package.name)

    def install(self, node: Node) -> None:
        """Follow the guide up to the change of the manifest."""
        install, start = blocks(_KUBEADM, "## With systemd")[:2]
        node.machine.run("apt-get update --quiet", network=True)
        node.machine.run(install, network=True)
        node.step("installed")
        aws.start_sts(node.machine, node.python)
        node.machine.run(start)

    def add_webhook(self, node: Node, plane: ControlPlane) -> None:
        """Change the manifest, undo the change, and make it again."""
        change, undo = blocks(_KUBEADM, "## With systemd")[2:4]
        for commands in (change, undo, change):
            node.machine.run(commands)
            assert plane.sync()

    def upgrade(self, node: Node) -> None:
        """Install a package with a higher version."""
        newer = """
        mkdir newer && cd newer
        dpkg-deb -R ../authd_*.deb content
        sed -i 's/^Version: .*/Version: 99/' content/DEBIAN/control
        dpkg-deb --root-owner-group -Znone --build content authd_99_amd64.deb
        """
        node.machine.run(newer)
        node.machine.run(f"cd newer\n{blocks(_OPERATIONS, _UPGRADE)[1]}", network=True)
