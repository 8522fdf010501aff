"""The path of most kubectl calls: a cached token, or static credentials signed without botocore.

Every kubectl call runs all of this package's imports, so it imports only cheap modules.
"""

from __future__ import annotations

from authd.client.fast.exec_credential import parse_exec_info, render_exec_credential
from authd.client.fast.flags import Options, parse_flags
from authd.client.fast.inputs import Inputs
from authd.client.fast.sigv4 import NotOnFastPath
from authd.client.fast.static_token import mint_static
from authd.client.fast.timestamps import rfc3339


def attempt(arguments: list[str], environ: dict[bytes, bytes], now: int) -> str:
    """Return the output. Raises NotOnFastPath or ClientError if the full path must decide or explain."""
    options = parse_flags(arguments)
    info = parse_exec_info(environ.get(b"KUBERNETES_EXEC_INFO"))
    if _needs_full_path(options) or info.problem:
        raise NotOnFastPath
    inputs = Inputs(options, info, environ)
    if not inputs.role() and not options.config and _has_role_option(options):
        raise NotOnFastPath  # for the warning that it has no effect
    token, expires_at = (_cached if options.cache else mint_static)(inputs, now)
    return token if options.token_only else render_exec_credential(info.api_version, token, rfc3339(expires_at))


def _needs_full_path(options: Options) -> bool:
    if options.completion is not None or options.why is not None or options.ignored:
        return True
    return options.help or options.version or options.clear_cache


def _has_role_option(options: Options) -> bool:
    return bool(options.external_id or options.session_name or options.duration or options.forward_session_name)


def _cached(inputs: Inputs, now: int) -> tuple[str, int]:
    from authd.client.fast.token_cache import HIT, find_token, folder_path, parent_process

    folder = folder_path(inputs.environ, inputs.home)
    requester = parent_process() if inputs.exec_info.client_go else None
    found = find_token(folder, inputs.cache_key(), now, requester)
    if found.outcome != HIT:
        raise NotOnFastPath
    return found.token, found.expires_at
