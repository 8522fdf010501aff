"""Cached tokens. One process at a time makes a token, and the others read it from the cache."""

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
    REFUSED_AGAIN,
    UNTRUSTED,
    Cached,
    find_token,
    parent_process,
    render_token,
    served_line,
    token_name,
)
from authd.client.minting import Minted, mint
from authd.client.output.messages import warn
from authd.client.request.command_line import explaining_command
from authd.client.request.token_request import TokenRequest


def mint_cached(store: Store, inputs: Inputs, request: TokenRequest) -> Minted:
    """Return the cached token, or a new one that is cached for the next process. Raises ClientError.

    A second request of client-go in one process means that the cluster refused the token. Then a new token is made,
    and after a second refusal also new role credentials.
    """
    search = _Search(store, inputs)
    name = token_name(search.key)
    with store.lock(name, search.succeeds):
        found = search.succeeds()
        if search.refused:
            warn(f"the cluster refused the last token; run `{explaining_command(request, inputs)}` to find the reason")
        if found:
            return Minted(token=search.found.token, signed_at=search.now, expires_at=search.found.expires_at)
        if search.found.outcome == UNTRUSTED:
            warn(f"not using a cached token, {store.path}/{name}: {search.found.problem}")
        store.remove(name)
        roles = RoleCache(store, scope=inputs.profile_key(), refused=search.found.outcome == REFUSED_AGAIN)
        minted = mint(inputs, request, roles)
        content = render_token(search.key, minted.signed_at, minted.expires_at, minted.token, watched_lines(inputs))
        try:
            store.write(name, content + search.served_line())
        except OSError as error:
            warn(f"cannot cache the token in {store.path}: {error.strerror}")
    return minted


class _Search:
    """Searches the cache repeatedly. `found` is the latest result."""

    def __init__(self, store: Store, inputs: Inputs) -> None:
        self.key = inputs.cache_key()
        self.requester = parent_process() if inputs.exec_info.client_go else None
        self.refused = False
        self.now = 0
        self.found = Cached(MISS)
        self._folder = os.fsencode(store.path)

    def succeeds(self) -> bool:
        """Search again unless the token has been found. A found token is recorded as served to the requester."""
        if self.found.outcome != HIT:
            self.now = int(time.time())
            self.found = find_token(self._folder, self.key, self.now, self.requester, refused=self.refused)
            self.refused |= self.found.outcome in (REFUSED, REFUSED_AGAIN)
        return self.found.outcome == HIT

    def served_line(self) -> bytes:
        """Return the line that records a new token as served to the requester."""
        return served_line(self.requester, refused=self.refused) if self.requester else b""
