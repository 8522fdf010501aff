"""A token through the cache: one process at a time makes it, the others find it there."""

from __future__ import annotations

import os
import time

from authd.client.cache.fingerprints import watched_lines
from authd.client.cache.role_cache import RoleCache
from authd.client.cache.store import Store
from authd.client.fast.inputs import Inputs
from authd.client.fast.token_cache import (
    HIT,
    MISS,
    REFUSED,
    UNTRUSTED,
    Cached,
    find_token,
    parent_process,
    render_token,
    served_line,
    token_name,
)
from authd.client.messages import warn
from authd.client.minting import Minted, mint
from authd.client.token_request import Order


def mint_through(store: Store, inputs: Inputs, order: Order) -> Minted:
    """Return the cached token, or a new one that is cached for the next process. Raises ClientError.

    Where the process that runs us has got the cached token before, the token and the role credentials behind it were
    refused, and both are made anew.
    """
    search = _Search(store, inputs)
    name = token_name(search.key)
    with store.lock(name, search.succeeds):
        if search.succeeds():
            return Minted(token=search.found.token, signed_at=search.now, expires_at=search.found.expires_at)
        if search.found.outcome == UNTRUSTED:
            warn(f"not using a cached token, {store.path}/{name}: {search.found.complaint}")
        store.remove(name)
        roles = RoleCache(store, scope=inputs.profile_key(), refused=search.found.outcome == REFUSED)
        minted = mint(inputs, order, roles)
        content = render_token(search.key, minted.signed_at, minted.expires_at, minted.token, watched_lines(inputs))
        try:
            store.write(name, content + served_line(search.asker))
        except OSError as error:
            warn(f"cannot cache the token in {store.path}: {error.strerror}")
    return minted


class _Search:
    """Looks for the token until it is there; `found` is what the last look gave."""

    def __init__(self, store: Store, inputs: Inputs) -> None:
        self.key = inputs.cache_key()
        self.asker = parent_process()
        self.now = 0
        self.found = Cached(MISS)
        self._folder = os.fsencode(store.path)

    def succeeds(self) -> bool:
        """Look again unless the token has been found; the process that runs us counts as served by it."""
        if self.found.outcome != HIT:
            self.now = int(time.time())
            self.found = find_token(self._folder, self.key, self.now, self.asker)
        return self.found.outcome == HIT
