"""The path that most kubectl calls take: a cached token, or static credentials signed by hand, without botocore.

Everything imported from here runs at every kubectl call; see docs/authd-token.md for what each import may cost.
"""

from __future__ import annotations

from authd.client.fast.exec_credential import parse_exec_info, render_exec_credential
from authd.client.fast.flags import parse_flags
from authd.client.fast.inputs import Inputs
from authd.client.fast.sigv4 import NotOnFastPath
from authd.client.fast.static_token import mint_static
from authd.client.fast.timestamps import rfc3339


def attempt(arguments: list[str], environ: dict[bytes, bytes], now: int) -> str:
    """Return what to print; raise NotOnFastPath or ClientError where the slow path must decide or explain."""
    options = parse_flags(arguments)
    info = parse_exec_info(environ.get(b"KUBERNETES_EXEC_INFO"))
    if options.help or options.version or options.clear_cache or options.why is not None or info.complaint:
        raise NotOnFastPath
    inputs = Inputs(options, info, environ)
    token, expires_at = (_cached if options.cache else mint_static)(inputs, now)
    return token if options.token_only else render_exec_credential(info.api_version, token, rfc3339(expires_at))


def _cached(inputs: Inputs, now: int) -> tuple[str, int]:
    from authd.client.fast.token_cache import HIT, find_token, folder_path, parent_process

    folder = folder_path(inputs.environ, inputs.home)
    found = find_token(folder, inputs.cache_key(), now, parent_process())
    if found.outcome != HIT:
        raise NotOnFastPath
    return found.token, found.expires_at
