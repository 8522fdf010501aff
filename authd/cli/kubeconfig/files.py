"""Kubeconfig files: where they are, how they change, and their backups."""

from __future__ import annotations

import argparse
import difflib
import os
import time
from pathlib import Path

from authd.cli.kubeconfig.document import Document
from authd.cli.shared.errors import CommandError
from authd.state.atomic_file import write_atomically

_MAX_BYTES = 16 * 1024 * 1024


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that change a kubeconfig."""
    add_kubeconfig_option(parser)
    parser.add_argument("--dry-run", action="store_true", help="show the changes and write nothing")
    parser.add_argument("--no-backup", action="store_true", help="keep no copy of the old file")


def add_kubeconfig_option(parser: argparse.ArgumentParser) -> None:
    """Add `--kubeconfig`."""
    parser.add_argument("--kubeconfig", metavar="FILE", help="the kubeconfig (default: $KUBECONFIG, ~/.kube/config)")


def kubeconfig_paths(option: str | None) -> list[Path]:
    """Return the kubeconfig files, as kubectl finds them."""
    if option:
        return [Path(option).expanduser()]
    listed = [Path(path) for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    return listed or [Path.home() / ".kube" / "config"]


def read_kubeconfig(path: Path) -> Document:
    """Return a kubeconfig. A missing file is an empty one. Raises CommandError."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CommandError(f"{path} is far larger than a kubeconfig; name another file with --kubeconfig")
        text = path.read_text("utf-8")
    except FileNotFoundError:
        text = ""
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not UTF-8 text; name another file with --kubeconfig") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    return Document(text, str(path))


def save(path: Path, document: Document, args: argparse.Namespace) -> bool:
    """Print the changes as a diff, and write them with a backup unless `--dry-run`. Returns whether there were any."""
    text = document.edited()
    if text == document.text:
        return False
    lines = difflib.unified_diff(
        document.text.splitlines(keepends=True), text.splitlines(keepends=True), str(path), str(path)
    )
    print("".join(line if line.endswith("\n") else f"{line}\n" for line in lines), end="")
    if args.dry_run:
        print("nothing was written (--dry-run)")
        return True
    try:
        _write(path, text, backup=not args.no_backup)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
    return True


def _write(path: Path, text: str, *, backup: bool) -> None:
    # A link stays a link.
    path = Path(os.path.realpath(path))
    mode = 0o600
    if path.exists():
        mode = path.stat().st_mode & 0o777
        if backup:
            copy = path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%S')}.bak")
            write_atomically(copy, path.read_bytes())
            print(f"kept the old file as {copy}")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode(), mode)
