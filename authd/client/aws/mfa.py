"""The code of a multi-factor device, asked for on the terminal and nowhere else."""

from __future__ import annotations

import getpass
import re
import signal
import sys
from collections.abc import Callable

from authd.client.fast.errors import ClientError
from authd.client.fast.exec_credential import ExecInfo

# AWS STS API reference, AssumeRole: TokenCode.
_CODE = re.compile(r"[0-9]{6}")
_WANTED = "a role in the profile needs an MFA code, and "
_INSTEAD = "or get temporary credentials first (`aws sts get-session-token`)"


def ask_for_code(info: ExecInfo) -> Callable[[str], str]:
    """Return the question that botocore puts when a role wants a code; it raises ClientError if nobody can answer.

    Only kubectl knows whether somebody can be asked, so without its word (`interactive` in ExecInfo) nobody is.
    """

    def ask(prompt: str) -> str:
        _demand_interaction(info)
        _demand_terminal()
        # Ctrl-C has to end in here, where the terminal gets its echo back.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            code = getpass.getpass(prompt).strip()
        except EOFError:
            code = ""
        if not _CODE.fullmatch(code):
            raise ClientError("an MFA code is six digits; try again with the one that the device shows")
        return code

    return ask


def _demand_interaction(info: ExecInfo) -> None:
    if not info.given or info.complaint is not None:
        raise ClientError(
            f"{_WANTED}it is asked for only where kubectl says that somebody can be asked: run this through kubectl, "
            f"with `interactiveMode: IfAvailable` for authd-token in the kubeconfig, {_INSTEAD}"
        )
    if not info.interactive:
        raise ClientError(
            f"{_WANTED}kubectl says that nobody can be asked: run kubectl in a terminal, "
            f"with `interactiveMode: IfAvailable` for authd-token in the kubeconfig, {_INSTEAD}"
        )


def _demand_terminal() -> None:
    """Raise ClientError unless getpass finds a terminal: the process's own, or else the one on stdin."""
    try:
        with open("/dev/tty", "r+b", buffering=0):
            return
    except OSError:
        if sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None:
            return
    raise ClientError(f"{_WANTED}there is no terminal to ask on: run kubectl in one, {_INSTEAD}")
