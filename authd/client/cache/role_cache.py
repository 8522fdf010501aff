"""Credentials of assumed roles in the cache folder, for `--role` and for the roles that a profile chains."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

from authd.client.cache.store import Store
from authd.client.credentials import Keys
from authd.client.messages import warn

# Role credentials this close to their end aren't used for another token; botocore draws the same line.
FRESH_SECONDS = 15 * 60
_VERSION = 1
_FIELDS = {"access_key": str, "secret_key": str, "session_token": str, "expires_at": int}


class RoleCache:
    """Role credentials by everything that they depend on.

    `scope` stands for the settings that they all depend on; with `refused`, nothing that is there is used again.
    """

    def __init__(self, store: Store, *, scope: str, refused: bool) -> None:
        self._store = store
        self._scope = scope
        self._refused = refused

    def name(self, *parts: Any) -> str:
        """Return the name of the entry that depends on `parts` and nothing else."""
        return f"role-{hashlib.sha256(repr((self._scope, *parts)).encode()).hexdigest()[:40]}"

    @contextlib.contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Be the only process that looks for and makes the entry."""
        with self._store.lock(name):
            if self._refused:
                self._store.remove(name)
            yield

    def load(self, name: str) -> Keys | None:
        """Return the entry if it is fresh; one that can't be trusted is a warning and counts as none."""
        try:
            content = self._store.read(name)
            if content is None:
                return None
            keys = _parse(content)
        except (OSError, ValueError) as error:
            warn(f"ignoring cached role credentials, {self._store.path}/{name}: {_reason(error)}")
            return None
        return keys if keys.expires_at is not None and keys.expires_at - time.time() > FRESH_SECONDS else None

    def keep(self, name: str, keys: Keys) -> None:
        """Write the entry; a failure is a warning."""
        document = {"version": _VERSION, **{field: getattr(keys, field) for field in _FIELDS}}
        try:
            self._store.write(name, json.dumps(document).encode())
        except OSError as error:
            warn(f"cannot cache role credentials in {self._store.path}: {_reason(error)}")


def _parse(content: bytes) -> Keys:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("damaged") from None
    fits = isinstance(document, dict) and document.get("version") == _VERSION
    if not fits or any(type(document.get(field)) is not kind for field, kind in _FIELDS.items()):
        raise ValueError("damaged, or of another version")
    return Keys(**{field: document[field] for field in _FIELDS})


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


class ProfileRoleCache:
    """The same cache as the mapping in which botocore keeps the roles of a profile."""

    def __init__(self, cache: RoleCache, logins: bytes) -> None:
        """Keep entries in `cache`; `logins` tells the state of the files that hold what they were got with."""
        self._cache = cache
        self._logins = logins
        self._found: dict[str, Keys] = {}
        self._turns: dict[str, contextlib.ExitStack] = {}

    def __contains__(self, key: str) -> bool:
        """Look for an entry; where there is none, other processes wait until it is set or `close` is called."""
        name = self._cache.name("profile", self._logins, key)
        turn = contextlib.ExitStack()
        turn.enter_context(self._cache.turn(name))
        keys = self._cache.load(name)
        if keys is None:
            self._turns[key] = turn
            return False
        turn.close()
        self._found[key] = keys
        return True

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return what the last look found, in the shape of STS's answer."""
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

    def __setitem__(self, key: str, answer: dict[str, Any]) -> None:
        """Keep STS's answer."""
        found = answer["Credentials"]
        keys = Keys(
            access_key=found["AccessKeyId"],
            secret_key=found["SecretAccessKey"],
            session_token=found["SessionToken"],
            expires_at=int(found["Expiration"].timestamp()),
        )
        self._cache.keep(self._cache.name("profile", self._logins, key), keys)
        if key in self._turns:
            self._turns.pop(key).close()

    def close(self) -> None:
        """Let other processes have their turns."""
        while self._turns:
            self._turns.popitem()[1].close()
