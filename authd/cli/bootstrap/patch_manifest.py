"""`authd init --patch-manifest`: adds the webhook to kube-apiserver's static pod, with diff, backup and undo."""

from __future__ import annotations

import difflib
from pathlib import Path

from authd.cli.bootstrap.static_pod import StaticPod
from authd.cli.shared.errors import CommandError
from authd.state.atomic_file import read_regular, write_atomically

_MODE = 0o600
#: The backup is beside the webhook kubeconfig, because kubelet starts every file in the manifest's folder as a pod.
_BACKUP = "{name}.before-authd"


def patch(manifest: Path, kubeconfig: Path, *, dry_run: bool) -> str:
    """Add the webhook to the manifest, and return the diff. Empty if there is nothing to change.

    kubelet restarts kube-apiserver at once. Raises `CommandError` and `ConfigError`.
    """
    old = _read(manifest)
    new = _patched(old, manifest, kubeconfig)
    if new == old:
        return ""
    if not dry_run:
        if not kubeconfig.is_file():
            raise CommandError(f"{kubeconfig} is missing, and kube-apiserver would not start: run `authd init` first")
        backup = backup_of(manifest, kubeconfig)
        _write(backup, old, _MODE)
        _write(manifest, new, manifest.stat().st_mode & 0o777)
    return _diff(old, new, manifest)


def undo(manifest: Path, kubeconfig: Path, *, dry_run: bool) -> str:
    """Restore the manifest as it was before `patch`, and return the diff. Raises `CommandError` and `ConfigError`."""
    backup = backup_of(manifest, kubeconfig)
    if not backup.exists():
        raise CommandError(f"{backup} is missing: there is no change of authd's to undo")
    old, new = _read(manifest), _read(backup)
    if old != _patched(new, manifest, kubeconfig):
        raise CommandError(
            f"{manifest} has changed since authd added its lines: compare it with {backup}, remove the lines by hand, "
            "and remove that file"
        )
    if not dry_run:
        _write(manifest, new, manifest.stat().st_mode & 0o777)
        backup.unlink()
    return _diff(old, new, manifest)


def backup_of(manifest: Path, kubeconfig: Path) -> Path:
    """Return the path of a manifest's backup."""
    return kubeconfig.parent / _BACKUP.format(name=manifest.name)


def _patched(text: str, manifest: Path, kubeconfig: Path) -> str:
    flags = {
        "authentication-token-webhook-config-file": str(kubeconfig),
        "authentication-token-webhook-version": "v1",
    }
    return StaticPod(text=text, file=str(manifest)).with_webhook(flags, str(kubeconfig.parent))


def _read(path: Path) -> str:
    try:
        return read_regular(path).decode()
    except OSError as error:
        raise CommandError(f"{path}: the manifest can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path}: the manifest is not UTF-8: is it kube-apiserver's?") from None


def _write(path: Path, text: str, mode: int) -> None:
    try:
        write_atomically(path, text.encode(), mode=mode)
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}: run this as root") from None


def _diff(old: str, new: str, manifest: Path) -> str:
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"{manifest} (before)", f"{manifest} (after)"
    )
    return "".join(lines)
