"""A token through the cache: one process at a time makes it, the others find it there."""

from __future__ import annotations

import os
import time

from authd.client.cache_store import Store
from authd.client.inputs import Inputs
from authd.client.messages import warn
from authd.client.minting import Minted, mint
from authd.client.order import Order
from authd.client.role_cache import RoleCache
from authd.client.token_cache import (
    HIT,
    REFUSED,
    UNTRUSTED,
    find_token,
    parent_process,
    render_token,
    served_line,
    token_name,
)
from authd.client.watching import watched_lines


def mint_through(store: Store, inputs: Inputs, order: Order) -> Minted:
    """Return the cached token, or a new one that is cached for the next process. Raises ClientError.

    Where the process that runs us has got the cached token before, the token and the role credentials behind it were
    refused, and both are made anew.
    """
    key, asker = inputs.cache_key(), parent_process()
    name = token_name(key)
    with store.lock(name):
        now = int(time.time())
        found = find_token(os.fsencode(store.path), key, now, asker)
        if found.outcome == HIT:
            return Minted(token=found.token, signed_at=now, expires_at=found.expires_at)
        if found.outcome == UNTRUSTED:
            warn(f"not using a cached token, {store.path}/{name}: {found.complaint}")
        store.remove(name)
        minted = mint(inputs, order, RoleCache(store, refused=found.outcome == REFUSED))
        watched = watched_lines(inputs)
        content = render_token(key, minted.signed_at, minted.expires_at, minted.token, watched)
        try:
            store.write(name, content + served_line(asker))
        except OSError as error:
            warn(f"cannot cache the token in {store.path}: {error.strerror}")
    return minted
