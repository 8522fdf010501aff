"""`authd token`: the credential plugin, with its own options."""

from __future__ import annotations

from collections.abc import Sequence

from authd.client.main import main as token
from authd.daemon.command_line.program_name import Program


def main(arguments: Sequence[str], _program: Program) -> int:
    """Print a credential and return the exit status."""
    return token(["token", *arguments])
