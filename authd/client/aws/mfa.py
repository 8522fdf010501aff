"""Asks for the code of a multi-factor device on the terminal."""

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
    """Return the prompt function for botocore.

    It raises ClientError unless kubectl reports an interactive session (`interactive` in ExecInfo) and there is a
    terminal.
    """

    def ask(prompt: str) -> str:
        _require_interaction(info)
        _require_terminal()
        # getpass must handle Ctrl-C, so that it restores the terminal's echo.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            code = getpass.getpass(prompt).strip()
        except EOFError:
            code = ""
        if not _CODE.fullmatch(code):
            raise ClientError("an MFA code is six digits; try again with the one that the device shows")
        return code

    return ask


def _require_interaction(info: ExecInfo) -> None:
    if not info.present or info.problem is not None:
        raise ClientError(
            f"{_WANTED}it can be entered only if kubectl says that its input is interactive: run this through kubectl, "
            f"with `interactiveMode: IfAvailable` for authd-token in the kubeconfig, {_INSTEAD}"
        )
    if not info.interactive:
        raise ClientError(
            f"{_WANTED}kubectl says that its input is not interactive: run kubectl in a terminal, "
            f"with `interactiveMode: IfAvailable` for authd-token in the kubeconfig, {_INSTEAD}"
        )


def _require_terminal() -> None:
    """Raise ClientError unless getpass finds a terminal: the controlling one, or stdin."""
    try:
        with open("/dev/tty", "r+b", buffering=0):
            return
    except OSError:
        if sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None:
            return
    raise ClientError(f"{_WANTED}there is no terminal: run kubectl in a terminal, {_INSTEAD}")
