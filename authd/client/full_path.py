"""The walk of everything that is not certain at a glance: it checks, explains, caches, and asks botocore."""

from __future__ import annotations

import contextlib
import os

from authd.client.environment import gather, surroundings
from authd.client.fast.errors import ClientError
from authd.client.fast.exec_credential import ExecInfo, render_exec_credential
from authd.client.fast.flags import Options
from authd.client.fast.inputs import Inputs
from authd.client.fast.timestamps import rfc3339
from authd.client.messages import warn
from authd.client.minting import Minted, mint
from authd.client.token_request import Order, parse_order


def produce(options: Options, info: ExecInfo) -> str:
    """Return what to print for these options; raise ClientError where there is no token."""
    if info.complaint is not None:
        warn(f"{info.complaint}; answering as client.authentication.k8s.io/v1beta1")
    inputs = gather(options, info)
    order = parse_order(inputs)
    minted = _through_cache(inputs, order) if options.cache else mint(inputs, order, None)
    if options.token_only:
        return minted.token
    return render_exec_credential(info.api_version, minted.token, rfc3339(minted.expires_at))


def _through_cache(inputs: Inputs, order: Order) -> Minted:
    from authd.client.cache.store import open_store
    from authd.client.cached_minting import mint_through

    try:
        store = open_store(inputs.environ, inputs.home)
    except OSError as error:
        warn(f"not using the cache: {_place(error)}")
        return mint(inputs, order, None)
    with contextlib.closing(store):
        return mint_through(store, inputs, order)


def clear_cache() -> str:
    """Forget every cached token and role and return a sentence that says so; raise ClientError where that fails."""
    from authd.client.cache.store import Store, place_of_store

    environ = surroundings()
    try:
        path = place_of_store(environ, environ[b"HOME"].rstrip(b"/"))
        if not os.path.lexists(path):
            return f"there are no cached credentials in {os.fsdecode(path)}"
        with contextlib.closing(Store(path)) as store:
            return f"forgot {store.clear()} cached credentials in {store.path}"
    except OSError as error:
        raise ClientError(f"cannot clear the cache: {_place(error)}") from None


def _place(error: OSError) -> str:
    return f"{os.fsdecode(error.filename)}: {error.strerror}"
