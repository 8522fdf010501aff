"""The walk that most kubectl calls take: a cached token, or static credentials signed by hand, without botocore.

Everything imported from here runs at every kubectl call; see docs/authd-token.md for what each import may cost.
"""

from __future__ import annotations

import sys
from posix import _exit, environ, write
from time import time

from authd.client.exec_credential import parse_exec_info, render_exec_credential
from authd.client.flags import parse_flags
from authd.client.inputs import MAX_CLUSTER_ID, Inputs
from authd.client.sigv4 import UnusualError, sign_get_caller_identity, token_of
from authd.client.static_credentials import find_static_credentials
from authd.client.timestamps import compact, rfc3339

# A signature is valid for 15 minutes; a token is given up one minute earlier.
TOKEN_SECONDS = 14 * 60
# A token is given up this long before its credentials expire.
CREDENTIALS_MARGIN_SECONDS = 60


def run() -> None:
    """Be the authd-token command: print the credential and end the process."""
    arguments = sys.argv[1:]
    try:
        output = attempt(arguments, environ, int(time()))
    except Exception:  # noqa: BLE001 -- when in doubt, slow and right; that path has a sentence for every failure
        from authd.client.interpreter import restore_site_packages  # noqa: PLC0415

        restore_site_packages()
        from authd.client.main import main  # noqa: PLC0415

        _exit(main(arguments))
    _print_and_leave(output.encode() + b"\n", arguments)


def attempt(arguments: list[str], environ: dict[bytes, bytes], now: int) -> str:
    """Return what to print; raise UnusualError or ClientError where the slow path must decide or explain."""
    options = parse_flags(arguments)
    info = parse_exec_info(environ.get(b"KUBERNETES_EXEC_INFO"))
    if options.help or options.version or options.clear_cache or options.why is not None or info.complaint:
        raise UnusualError
    inputs = Inputs(options, info, environ)
    token, expires_at = (_cached if options.cache else mint_static)(inputs, now)
    return token if options.token_only else render_exec_credential(info.api_version, token, rfc3339(expires_at))


def _cached(inputs: Inputs, now: int) -> tuple[str, int]:
    from authd.client.token_cache import HIT, find_token, folder_path, parent_process  # noqa: PLC0415

    folder = folder_path(inputs.environ, inputs.home)
    found = find_token(folder, inputs.cache_key(), now, parent_process())
    if found.outcome != HIT:
        raise UnusualError
    return found.token, found.expires_at


def mint_static(inputs: Inputs, now: int) -> tuple[str, int]:
    """Return a token signed with static credentials, and when to give it up, in seconds since 1970."""
    if inputs.role() or inputs.options.config is not None:
        raise UnusualError
    cluster_id = (inputs.cluster_id() or "").encode("utf-8", "surrogateescape")
    if len(cluster_id) > MAX_CLUSTER_ID:
        raise UnusualError
    credentials = find_static_credentials(inputs)
    expires_at = now + TOKEN_SECONDS
    if credentials.expires_at is not None:
        if credentials.expires_at <= now:
            raise UnusualError
        expires_at = min(expires_at, credentials.expires_at - CREDENTIALS_MARGIN_SECONDS)
    url = sign_get_caller_identity(
        access_key=credentials.access_key,
        secret_key=credentials.secret_key,
        session_token=credentials.session_token,
        host=credentials.host,
        region=credentials.region,
        cluster_id=cluster_id,
        date=compact(now),
    )
    return token_of(url), expires_at


def _print_and_leave(output: bytes, arguments: list[str]) -> None:
    # Past the interpreter's own clean-up, which takes longer than the signing.
    try:
        while output:
            output = output[write(1, output) :]
    except OSError as error:
        from authd.client.messages import fail, use_json  # noqa: PLC0415

        use_json(parse_flags(arguments).log_format == "json")
        fail(f"the output cannot be written: {error.strerror}")
        _exit(1)
    _exit(0)
