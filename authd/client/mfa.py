"""The code of a multi-factor device, asked for on the terminal and nowhere else."""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Callable

from authd.client.errors import ClientError

# AWS STS API reference, AssumeRole: TokenCode.
_CODE = re.compile(r"[0-9]{6}")


def ask_for_code(*, interactive: bool) -> Callable[[str], str]:
    """Return the question that botocore puts when a role wants a code; it raises ClientError if nobody can answer."""

    def ask(prompt: str) -> str:
        if not interactive:
            raise ClientError(
                "a role in the profile needs an MFA code, and kubectl says that nobody can be asked: run kubectl in a "
                "terminal with `interactiveMode: IfAvailable`, or get temporary credentials first "
                "(`aws sts get-session-token`)"
            )
        try:
            with open("/dev/tty", "r+b", buffering=0):  # noqa: PTH123
                pass
        except OSError:
            raise ClientError("a role in the profile needs an MFA code, and there is no terminal to ask on") from None
        code = getpass.getpass(prompt, stream=sys.stderr).strip()
        if not _CODE.fullmatch(code):
            raise ClientError("an MFA code is six digits")
        return code

    return ask
