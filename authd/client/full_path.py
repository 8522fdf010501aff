"""The full path: validates the request, uses botocore's credential chain and the cache, and explains failures."""

from __future__ import annotations

import contextlib
import os

from authd.client.fast.errors import ClientError
from authd.client.fast.exec_credential import ExecInfo, render_exec_credential
from authd.client.fast.flags import Options
from authd.client.fast.inputs import Inputs
from authd.client.fast.timestamps import rfc3339
from authd.client.minting import Minted, mint
from authd.client.output.messages import warn
from authd.client.request.environment import collect_inputs, expanded_environment
from authd.client.request.token_request import TokenRequest, parse_token_request


def create_output(options: Options, info: ExecInfo) -> str:
    """Return the output for these options. Raises ClientError if no token can be made."""
    if info.problem is not None:
        warn(f"{info.problem}; answering as {info.api_version}")
    inputs = collect_inputs(options, info)
    request = parse_token_request(inputs)
    minted = _mint_cached(inputs, request) if options.cache else mint(inputs, request, None)
    if options.token_only:
        return minted.token
    return render_exec_credential(info.api_version, minted.token, rfc3339(minted.expires_at))


def _mint_cached(inputs: Inputs, request: TokenRequest) -> Minted:
    from authd.client.cache.store import open_store
    from authd.client.cached_minting import mint_cached

    try:
        store = open_store(inputs.environ, inputs.home)
    except OSError as error:
        warn(f"not using the cache: {_place(error)}")
        return mint(inputs, request, None)
    with contextlib.closing(store):
        return mint_cached(store, inputs, request)


def clear_cache() -> str:
    """Delete every cached token and role, and return a report. Raises ClientError if that fails."""
    from authd.client.cache.store import Store, cache_path

    environ = expanded_environment()
    try:
        path = cache_path(environ, environ[b"HOME"].rstrip(b"/"))
        if not os.path.lexists(path):
            return f"there are no cached credentials in {os.fsdecode(path)}"
        with contextlib.closing(Store(path)) as store:
            return f"deleted {store.clear()} cached credentials from {store.path}"
    except OSError as error:
        raise ClientError(f"cannot clear the cache: {_place(error)}") from None


def _place(error: OSError) -> str:
    return f"{os.fsdecode(error.filename)}: {error.strerror}"
