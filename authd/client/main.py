"""authd-token as a function. Every failure is one sentence on stderr."""

from __future__ import annotations

import contextlib
import os
import time

from authd.client.fast.attempt import attempt
from authd.client.fast.errors import ClientError, UnknownArgument, UsageError
from authd.client.fast.exec_credential import parse_exec_info
from authd.client.fast.flags import Options, parse_flags
from authd.client.output.messages import fail, use_json, warn
from authd.client.output.process import claim_process
from authd.client.output.stdio import occupy_closed_streams, print_out

_FAILED = 1
_USAGE_ERROR = 2
_INTERRUPTED = 130


def main(argv: list[str]) -> int:
    """Run authd-token with the arguments `argv` (without the program's name) and return its exit status.

    The status is 0 with a credential on stdout, 1 for a failure and 2 for a wrong command line.
    """
    claim_process()
    occupy_closed_streams()
    try:
        options = parse_flags(argv)
        use_json(options.log_format == "json")
        for word in options.ignored:
            warn(f"the argument {word!r} has no effect: remove it, or write --option=value")
        print_out(_output(argv, options))
    except UnknownArgument as error:
        from authd.client.output.suggestions import unknown_argument

        fail(unknown_argument(str(error)))
        return _USAGE_ERROR
    except UsageError as error:
        fail(str(error))
        return _USAGE_ERROR
    except ClientError as error:
        fail(str(error))
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 -- a traceback could show keys
        fail(f"unexpected failure ({type(error).__name__}); please report it with the output of `authd-token --why`")
        return _FAILED
    return 0


def _output(argv: list[str], options: Options) -> str:
    with contextlib.suppress(Exception):  # the full path decides and explains
        return attempt(argv, dict(os.environb), int(time.time()))
    if options.help:
        from authd.client.output.help_text import HELP

        return HELP
    if options.completion is not None:
        from authd.client.output.completion import completion_script

        return completion_script(options.completion)
    if options.version:
        from authd import __version__

        return f"authd-token {__version__}"
    return _full_path_output(options)


def _full_path_output(options: Options) -> str:
    from authd.client import full_path

    if options.clear_cache:
        return full_path.clear_cache()
    loader = __spec__.loader if __spec__ else None
    if hasattr(loader, "archive"):  # a zipimporter; importing that class takes time
        from authd.client.bundle import use_bundled_packages

        use_bundled_packages(loader)
    info = parse_exec_info(os.environb.get(b"KUBERNETES_EXEC_INFO"))
    if options.why is not None:
        from authd.client.why import explain_login

        return explain_login(options, info)
    return full_path.create_output(options, info)
