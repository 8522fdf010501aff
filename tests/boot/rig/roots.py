"""Minimal roots of each release, created once by debootstrap and kept outside the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

#: The only packages beyond `minbase`: no procps, no dbus, no curl.
_PACKAGES = ("systemd", "systemd-sysv", "ca-certificates")
_DEBIAN = "http://deb.debian.org/debian"
_UBUNTU = "http://archive.ubuntu.com/ubuntu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release: its suite, the keyring of its signers, and debootstrap's script for it."""

    suite: str
    mirror: str = _DEBIAN
    components: str = "main"
    keyring: Path = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    script: str | None = None


RELEASES = (
    Release(suite="bookworm"),
    Release(suite="trixie"),
    Release(
        suite="noble",
        mirror=_UBUNTU,
        components="main,universe",
        keyring=Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg"),
        script="gutsy",
    ),
)


def cache() -> Path:
    """Return the folder that is kept between runs."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "authd-boot"


def base_root(release: Release) -> Path:
    """Return the root of a release. The first call creates it."""
    root = cache() / release.suite
    if not root.exists():
        unfinished = root.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        packages = kept("debootstrap")
        command = [
            "debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", f"--components={release.components}",
            f"--keyring={release.keyring}", f"--cache-dir={packages}", release.suite, str(unfinished), release.mirror,
        ]  # fmt: skip
        subprocess.run([*command, *([release.script] if release.script else [])], check=True, stdout=subprocess.DEVNULL)
        (unfinished / "etc/hosts").write_text("127.0.0.1 localhost\n")
        # Without it, systemd asks questions on the console at the first boot.
        (unfinished / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
        unfinished.rename(root)
    return root


def kept(name: str) -> Path:
    """Return a folder for downloads that the next run reuses."""
    folder = cache() / "downloads" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def writable(root: Path, folder: Path) -> Iterator[Path]:
    """Mount a writable layer above an unchanged root. The layer is removed at the end."""
    paths = {name: folder / name for name in ("upper", "work", "merged")}
    for path in paths.values():
        path.mkdir(parents=True)
    options = f"lowerdir={root},upperdir={paths['upper']},workdir={paths['work']}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(paths["merged"])], check=True)
    try:
        yield paths["merged"]
    finally:
        subprocess.run(["umount", "--lazy", str(paths["merged"])], check=True)
        shutil.rmtree(paths["upper"], ignore_errors=True)
        shutil.rmtree(paths["work"], ignore_errors=True)
