"""Checks the kernel's inotify limits for the daemon's user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from authd.cli.doctor.findings import Finding, error, ok, warning
from authd.cli.doctor.installation import Installation
from authd.cli.doctor.processes import daemon_uid

_INSTANCES, _WATCHES = "max_user_instances", "max_user_watches"
#: The daemon needs one instance per watched directory.
_FEW_INSTANCES, _FEW_WATCHES = 8, 64


def examine_limits(installation: Installation) -> Iterator[Finding]:
    """Compare the inotify limits with the instances in use."""
    limits = {name: _limit(installation.proc, name) for name in (_INSTANCES, _WATCHES)}
    instances, watches = limits[_INSTANCES], limits[_WATCHES]
    if instances is None or watches is None:
        yield warning(
            "there is no inotify here: changed files are noticed by polling, within half a minute", "authd reload"
        )
        return
    uid = daemon_uid(installation.proc, installation.config)
    used = _used(installation.proc, 0 if uid is None else uid)
    left = instances - used
    fix = f"sysctl -w fs.inotify.{_INSTANCES}={max(512, 2 * instances)}"
    if left <= 0:
        yield error(f"all {instances} inotify instances of the daemon's user are used", fix)
    elif left < _FEW_INSTANCES:
        yield warning(f"only {left} of {instances} inotify instances of the daemon's user are left", fix)
    elif watches < _FEW_WATCHES:
        yield warning(f"the kernel allows {watches} inotify watches", f"sysctl -w fs.inotify.{_WATCHES}=65536")
    else:
        yield ok(f"inotify: {used} of {instances} instances in use, {watches} watches allowed")


def _limit(proc: Path, name: str) -> int | None:
    try:
        return int((proc / "sys/fs/inotify" / name).read_text())
    except (OSError, ValueError):
        return None


def _used(proc: Path, uid: int) -> int:
    """Count the instances of a user. Hidden processes are not counted."""
    count = 0
    for folder in proc.iterdir():
        with suppress(OSError):
            if folder.name.isdigit() and folder.stat().st_uid == uid:
                links = [str(link.readlink()) for link in (folder / "fd").iterdir()]
                count += sum(link.startswith("anon_inode:inotify") for link in links)
    return count
