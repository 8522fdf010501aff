"""The authd-token command: the fast path if it applies, otherwise the full path."""

from __future__ import annotations

import sys
from posix import _exit, environ, write
from time import time

from authd.client.fast.attempt import attempt
from authd.client.fast.flags import parse_flags


def run() -> None:
    """Run the authd-token command: print the credential and end the process."""
    arguments = sys.argv[1:]
    try:
        output = attempt(arguments, environ, int(time()))
    except Exception:  # noqa: BLE001 -- the full path has a message for every failure
        from authd.client.site_packages import restore_site_packages

        restore_site_packages()
        from authd.client.main import main

        _exit(main(arguments))
    _print_and_exit(output.encode() + b"\n", arguments)


def _print_and_exit(output: bytes, arguments: list[str]) -> None:
    # Skips the interpreter's shutdown, which takes longer than the signing.
    try:
        while output:
            output = output[write(1, output) :]
    except OSError as error:
        from authd.client.output.messages import fail, use_json
        from authd.client.output.process import claim_process

        claim_process()
        use_json(parse_flags(arguments).log_format == "json")
        fail(f"the output cannot be written: {error.strerror}")
        _exit(1)
    _exit(0)
