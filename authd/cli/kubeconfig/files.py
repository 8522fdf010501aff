"""Finds, reads and writes kubeconfig files, with backups."""

from __future__ import annotations

import argparse
import difflib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from authd.cli.kubeconfig.document import Document
from authd.cli.shared.errors import CommandError
from authd.cli.shared.output import add_output_option, print_text
from authd.state.atomic_file import read_regular, write_atomically

_MAX_BYTES = 16 * 1024 * 1024


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that change a kubeconfig."""
    add_kubeconfig_option(parser)
    parser.add_argument("--dry-run", action="store_true", help="show the changes and write nothing")
    parser.add_argument("--no-backup", action="store_true", help="keep no copy of the old file")
    add_output_option(parser)


def add_kubeconfig_option(parser: argparse.ArgumentParser) -> None:
    """Add `--kubeconfig`."""
    parser.add_argument("--kubeconfig", metavar="FILE", help="the kubeconfig (default: $KUBECONFIG, ~/.kube/config)")


def kubeconfig_paths(option: str | None) -> list[Path]:
    """Return the paths of the kubeconfig files, in kubectl's order."""
    if option:
        return [Path(option).expanduser()]
    listed = [Path(path) for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    return listed or [Path.home() / ".kube" / "config"]


def read_kubeconfig(path: Path) -> Document:
    """Return a kubeconfig, an empty one if the file is missing. Raises CommandError."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CommandError(f"{path} is far larger than a kubeconfig; name another file with --kubeconfig")
        text = path.read_text("utf-8")
    except FileNotFoundError:
        text = ""
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not UTF-8 text; name another file with --kubeconfig") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}; name another file with --kubeconfig") from None
    return Document(text, str(path))


class Saved(NamedTuple):
    """A changed file: the changes as a diff, and the copy of the old file, if there is one."""

    file: str
    diff: str
    backup: str | None = None


def save(path: Path, document: Document, args: argparse.Namespace) -> list[Saved]:
    """Write the changes with a backup, unless `--dry-run`. Returns an empty list if there are none."""
    text = document.edited()
    if text == document.text:
        return []
    lines = difflib.unified_diff(
        document.text.splitlines(keepends=True), text.splitlines(keepends=True), str(path), str(path)
    )
    diff = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
    if args.dry_run:
        return [Saved(str(path), diff)]
    try:
        return [Saved(str(path), diff, _write(path, text, backup=not args.no_backup))]
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written: {error.strerror}; correct this, or name another file with --kubeconfig"
        ) from None


def print_saved(saved: Sequence[Saved], args: argparse.Namespace) -> None:
    """Print changes as text."""
    for each in saved:
        print_text(each.diff.rstrip("\n"))
        if args.dry_run:
            print_text("nothing was written (--dry-run)")
        if each.backup:
            print_text(f"kept the old file as {each.backup}")


def saved_as_json(saved: Sequence[Saved], args: argparse.Namespace) -> dict[str, object]:
    """Return changes as JSON."""
    return {"dryRun": args.dry_run, "files": [each._asdict() for each in saved]}


def _write(path: Path, text: str, *, backup: bool) -> str | None:
    """Write a file, and return the path of the backup, if one was made."""
    path = Path(os.path.realpath(path))  # a symbolic link stays, and its target is written
    mode, kept = 0o600, None
    if path.exists():
        mode = path.stat().st_mode & 0o777
        if backup:
            copy = path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%S')}.bak")
            write_atomically(copy, read_regular(path))
            kept = str(copy)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode(), mode)
    return kept
