from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from authd.client.cache import store as cache_store
from authd.client.cache.role_cache import RoleCache
from authd.client.cache.store import Store
from authd.client.output import process
from authd.client.request.credentials import Credentials

KEYS = Credentials(access_key="ASIA", secret_key="secret", session_token="token", expires_at=int(time.time()) + 3600)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(os.fsencode(tmp_path / "home" / ".kube" / "cache" / "authd"))
    yield opened
    opened.close()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_permissions(store: Store) -> None:
    """Folders have the mode 0700 and files 0600 with any umask."""
    previous = os.umask(0)
    try:
        store.write("role-x", b"secret")
        with store.lock("x"):
            pass
    finally:
        os.umask(previous)
    folder = Path(store.path)
    assert _mode(folder) == 0o700
    assert {_mode(path) for path in folder.iterdir()} == {0o600}
    assert store.read("role-x") == b"secret"


def test_atomic_write(store: Store) -> None:
    """A reader sees either the old or the new content, and no temporary file is left."""
    store.write("role-x", b"a" * 100)
    with (Path(store.path) / "role-x").open("rb") as old:
        store.write("role-x", b"b")
        assert old.read() == b"a" * 100
    assert store.read("role-x") == b"b"
    assert [path.name for path in Path(store.path).iterdir()] == ["role-x"]


def test_symbolic_link(store: Store, tmp_path: Path) -> None:
    """A link in place of an entry is replaced, and its target is unchanged."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (Path(store.path) / "role-x").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        store.read("role-x")
    store.write("role-x", b"new")
    assert victim.read_text() == "mine"
    assert store.read("role-x") == b"new"


def test_guessed_temporary_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written to an existing file with the name of the temporary file."""
    monkeypatch.setattr(cache_store.secrets, "token_hex", lambda _: "guessed")
    planted = Path(store.path) / "temp-guessed"
    planted.write_text("")
    with pytest.raises(FileExistsError):
        store.write("role-x", b"secret")
    assert planted.read_text() == ""


@pytest.mark.parametrize("spoil", ["mode", "link", "file"])
def test_untrusted_folder(tmp_path: Path, spoil: str) -> None:
    """A cache folder that is accessible to others, a link or a file is refused."""
    path, other = tmp_path / "cache", tmp_path / "other"
    other.mkdir(mode=0o700)
    if spoil == "mode":
        path.mkdir(mode=0o700)
        path.chmod(0o755)
    elif spoil == "link":
        path.symlink_to(other)
    else:
        path.write_text("")
    with pytest.raises(OSError):
        Store(os.fsencode(path))


def test_lock(store: Store) -> None:
    """One thread at a time holds a lock."""
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        with store.lock("x"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 20


def test_lock_timeout(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a lock is not free in time, the work continues without it."""
    monkeypatch.setattr(cache_store, "_LOCK_SECONDS", 0.05)
    with store.lock("x"), store.lock("x"), store.lock("y"):
        pass


def test_limits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest entries beyond the maximum number are deleted, and so is every entry beyond the maximum age."""
    monkeypatch.setattr(cache_store, "_MAX_ENTRIES", 5)
    folder = Path(store.path)
    (folder / "unrelated").write_text("")
    for number in range(9):
        store.write(f"role-{number}", b"")
        os.utime(folder / f"role-{number}", (time.time() - 100 + number,) * 2)
    store.write("role-9", b"")
    assert {path.name for path in folder.iterdir()} == {"unrelated", *(f"role-{number}" for number in range(5, 10))}
    os.utime(folder / "role-9", (0, 0))
    store.write("role-10", b"")
    assert not (folder / "role-9").exists()


def test_clear(store: Store) -> None:
    """`clear` deletes tokens, roles, temporary files and free locks, and nothing else."""
    folder = Path(store.path)
    (folder / "unrelated").write_text("")
    for name in ("role-a", "token-b", "temp-c"):
        store.write(name, b"")
    with store.lock("held"):
        with store.lock("free"):
            pass
        assert store.clear() == 2
        assert {path.name for path in folder.iterdir()} == {"unrelated", "lock-held"}


def test_role_credentials(store: Store) -> None:
    """Saved role credentials are returned unchanged until a quarter of an hour before their expiry."""
    cache = RoleCache(store, scope="s", refused=False)
    name = cache.name("a", 1)
    with cache.exclusive(name):
        assert cache.load(name) is None
        cache.save(name, KEYS)
    with cache.exclusive(name):
        assert cache.load(name) == KEYS
    cache.save(name, Credentials(access_key="A", secret_key="s", session_token="t", expires_at=int(time.time()) + 890))
    assert cache.load(name) is None
    assert "secret" not in repr(KEYS)


def test_refused_role_credentials(store: Store) -> None:
    """After a refusal, the old entry is deleted before a new one is made."""
    name = RoleCache(store, scope="s", refused=False).name("a")
    RoleCache(store, scope="s", refused=False).save(name, KEYS)
    refused = RoleCache(store, scope="s", refused=True)
    with refused.exclusive(name):
        assert refused.load(name) is None
    assert store.read(name) is None


def test_role_names(store: Store) -> None:
    """Different lists of parts and different scopes have different names."""
    cache = RoleCache(store, scope="s", refused=False)
    parts = [("a", "b"), ("ab",), ("a", None), ("a", "None"), ("b", "a"), ("a",), ("a", "b", "")]
    assert len({cache.name(*each) for each in parts}) == len(parts)
    assert RoleCache(store, scope="other", refused=False).name("a") != cache.name("a")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"version":1}', b'{"version":2,"access_key":"a","secret_key":"s","session_token":"t","expires_at":9999999999}',
     b'{"version":1,"access_key":1,"secret_key":"s","session_token":"t","expires_at":9999999999}',
     b'{"version":1,"access_key":"a","secret_key":"s","session_token":"t","expires_at":true}'],
)  # fmt: skip
def test_damaged_role_credentials(
    store: Store, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """Damaged role credentials are ignored with a warning."""
    monkeypatch.setitem(process._state, "own", True)
    cache = RoleCache(store, scope="s", refused=False)
    store.write("role-x", content)
    assert cache.load("role-x") is None
    assert "warning: ignoring cached role credentials" in capfd.readouterr().err
