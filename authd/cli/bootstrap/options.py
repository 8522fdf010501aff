"""Options of `authd init` for the first start of a cluster: a shared CA, and kube-apiserver's manifest."""

from __future__ import annotations

import argparse
from pathlib import Path

from authd.cli.bootstrap import patch_manifest
from authd.cli.shared.errors import CommandError
from authd.config.settings import Settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of `authd init`."""
    parser.add_argument("--ca", metavar="DIR", help="sign with the CA in DIR, made if it is missing, on every node")
    parser.add_argument(
        "--patch-manifest", metavar="FILE", help="give kube-apiserver's static pod the webhook, with a backup"
    )
    parser.add_argument("--undo", action="store_true", help="with --patch-manifest: restore the manifest")
    parser.add_argument("--dry-run", action="store_true", help="with --patch-manifest: only show the diff")


def check_options(args: argparse.Namespace) -> None:
    """Raise `CommandError` for conflicting options."""
    if (args.undo or args.dry_run) and not args.patch_manifest:
        raise CommandError("--undo and --dry-run go with --patch-manifest FILE: name the manifest of kube-apiserver")
    if args.patch_manifest and args.out:
        raise CommandError("--patch-manifest is for this machine, and --out for others: use one of them")


def only_manifest(args: argparse.Namespace) -> bool:
    """Whether the options concern only the manifest, so that no files are created."""
    return bool(args.undo or args.dry_run)


def change_manifest(args: argparse.Namespace, settings: Settings) -> str:
    """Patch or restore the manifest. Returns the diff, empty if nothing changes.

    Raises `CommandError` and `ConfigError`.
    """
    if not args.patch_manifest:
        return ""
    change = patch_manifest.undo if args.undo else patch_manifest.patch
    return change(Path(args.patch_manifest), Path(settings.generate_kubeconfig), dry_run=args.dry_run)
