"""Cached credentials of assumed roles, for `--role` and for the roles that a profile chains."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

from authd.client.cache.store import Store
from authd.client.output.messages import warn
from authd.client.request.credentials import Credentials

# Role credentials this close to their expiry aren't used for another token. botocore has the same limit.
FRESH_SECONDS = 15 * 60
_VERSION = 1
_FIELDS = {"access_key": str, "secret_key": str, "session_token": str, "expires_at": int}


class RoleCache:
    """Role credentials, keyed by everything that they depend on.

    `scope` is a digest of their common settings. If `refused`, existing entries are not used.
    """

    def __init__(self, store: Store, *, scope: str, refused: bool) -> None:
        self._store = store
        self._scope = scope
        self._refused = refused

    def name(self, *parts: Any) -> str:
        """Return the name of the entry that depends on `parts`."""
        return f"role-{hashlib.sha256(repr((self._scope, *parts)).encode()).hexdigest()[:40]}"

    @contextlib.contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Lock the entry, so that only one process searches for it or makes it."""
        with self._store.lock(name):
            if self._refused:
                self._store.remove(name)
            yield

    def load(self, name: str) -> Credentials | None:
        """Return the entry if it is fresh, otherwise None. Warns about an entry that can't be trusted."""
        try:
            content = self._store.read(name)
            if content is None:
                return None
            keys = _parse(content)
        except (OSError, ValueError) as error:
            warn(f"ignoring cached role credentials, {self._store.path}/{name}: {_reason(error)}")
            return None
        return keys if keys.expires_at is not None and keys.expires_at - time.time() > FRESH_SECONDS else None

    def save(self, name: str, keys: Credentials) -> None:
        """Write the entry. Warns if that fails."""
        document = {"version": _VERSION, **{field: getattr(keys, field) for field in _FIELDS}}
        try:
            self._store.write(name, json.dumps(document).encode())
        except OSError as error:
            warn(f"cannot cache role credentials in {self._store.path}: {_reason(error)}")


def _parse(content: bytes) -> Credentials:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("damaged") from None
    fits = isinstance(document, dict) and document.get("version") == _VERSION
    if not fits or any(type(document.get(field)) is not kind for field, kind in _FIELDS.items()):
        raise ValueError("damaged, or of another version")
    return Credentials(**{field: document[field] for field in _FIELDS})


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


class ProfileRoleCache:
    """Adapts the cache to the mapping that botocore uses for the roles of a profile."""

    def __init__(self, cache: RoleCache, login_state: bytes) -> None:
        """Keep entries in `cache`. `login_state` is the state of the login files that the entries depend on."""
        self._cache = cache
        self._login_state = login_state
        self._found: dict[str, Credentials] = {}
        self._locks: dict[str, contextlib.ExitStack] = {}

    def __contains__(self, key: str) -> bool:
        """Search for an entry. If there is none, other processes wait until it is set or `close` is called."""
        name = self._cache.name("profile", self._login_state, key)
        exclusive = contextlib.ExitStack()
        exclusive.enter_context(self._cache.exclusive(name))
        keys = self._cache.load(name)
        if keys is None:
            self._locks[key] = exclusive
            return False
        exclusive.close()
        self._found[key] = keys
        return True

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return the entry in the shape of STS's response."""
        keys = self._found[key]
        assert keys.expires_at is not None
        return {
            "Credentials": {
                "AccessKeyId": keys.access_key,
                "SecretAccessKey": keys.secret_key,
                "SessionToken": keys.session_token,
                "Expiration": dt.datetime.fromtimestamp(keys.expires_at, dt.UTC).isoformat(),
            }
        }

    def __setitem__(self, key: str, response: dict[str, Any]) -> None:
        """Store STS's response."""
        self._cache.save(self._cache.name("profile", self._login_state, key), Credentials.from_response(response))
        if key in self._locks:
            self._locks.pop(key).close()

    def close(self) -> None:
        """Release all locks."""
        while self._locks:
            self._locks.popitem()[1].close()
