"""authd-token as a function: the fast walk if it is certain, else the slow one, and every failure as one sentence."""

from __future__ import annotations

import contextlib
import os
import time

from authd.client.fast.attempt import attempt
from authd.client.fast.errors import ClientError, UsageError
from authd.client.fast.exec_credential import parse_exec_info
from authd.client.fast.flags import Options, parse_flags
from authd.client.messages import fail, use_json
from authd.client.stdio import occupy_closed_streams, print_out

_FAILED = 1
_MISUSED = 2
_INTERRUPTED = 130


def main(argv: list[str]) -> int:
    """Run authd-token with the arguments `argv` (without the program's name) and return its exit status.

    0 with a credential on stdout; 1 where there is none, 2 for a wrong command line, each with a sentence on stderr.
    """
    occupy_closed_streams()
    try:
        options = parse_flags(argv)
        use_json(options.log_format == "json")
        print_out(_answer(argv, options))
    except UsageError as error:
        fail(str(error))
        return _MISUSED
    except ClientError as error:
        fail(str(error))
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 -- a traceback could show keys to whoever looks over the shoulder
        fail(f"unexpected failure ({type(error).__name__}); please report it with the output of `authd-token --why`")
        return _FAILED
    return 0


def _answer(argv: list[str], options: Options) -> str:
    with contextlib.suppress(Exception):  # when in doubt, slow and right
        return attempt(argv, dict(os.environb), int(time.time()))
    if options.help:
        from authd.client.help_text import HELP

        return HELP
    if options.version:
        from authd import __version__

        return f"authd-token {__version__}"
    return _slow_answer(options)


def _slow_answer(options: Options) -> str:
    from authd.client import full_path as slow

    if options.clear_cache:
        return slow.clear_cache()
    info = parse_exec_info(os.environb.get(b"KUBERNETES_EXEC_INFO"))
    if options.why is not None:
        from authd.client.why import explain_login

        return explain_login(options, info)
    return slow.produce(options, info)
