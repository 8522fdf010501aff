"""The cache folder: private, with atomic writes, a bounded size and a lock for each entry.

The folder and its files must belong to this user, be inaccessible to others, and be no symbolic links.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator

from authd.client.fast.sigv4 import NotOnFastPath
from authd.client.fast.token_cache import folder_path, open_entry, open_folder

# Longest wait for another process that is making the same entry.
_LOCK_SECONDS = 60.0
_LOCK_POLL_SECONDS = 0.02
_PREFIXES = ("token-", "role-", "lock-", "temp-")
#: Folders with the packages of the single file, see `bundle`.
UNPACKED_PREFIX = "packages-"
# Far more clusters and roles than people use at once.
_MAX_ENTRIES = 256
# Every entry has expired by this age: a role session lasts 12 hours at most.
_MAX_AGE_SECONDS = 13 * 3600
_MAX_ENTRY_BYTES = 128 * 1024


def open_store(environ: dict[bytes, bytes], home: bytes) -> Store:
    """Return the user's cache. Raises OSError if it can't be created or trusted, or if there is no home folder."""
    return Store(cache_path(environ, home))


def cache_path(environ: dict[bytes, bytes], home: bytes) -> bytes:
    """Return the path of the user's cache. Raises OSError if there is no place for it."""
    try:
        path = folder_path(environ, home)
    except NotOnFastPath:
        given = os.fsdecode(environ[b"AUTHD_CACHE_DIR"])
        raise OSError(errno.EINVAL, "AUTHD_CACHE_DIR is not an absolute path", given) from None
    if path.startswith(home + b"/") and not os.path.isdir(home or b"/"):
        raise FileNotFoundError(errno.ENOENT, "there is no such home folder", os.fsdecode(home))
    return path


class Store:
    """The cache folder, held open so that it can't be replaced."""

    def __init__(self, path: bytes) -> None:
        """Open the folder `path`, and create it if it is missing. Raises OSError if it can't be trusted."""
        self.path = os.fsdecode(path)
        _make_folders(self.path)
        self._folder = open_folder(path)

    def close(self) -> None:
        """Close the folder."""
        os.close(self._folder)

    def read(self, name: str) -> bytes | None:
        """Return an entry's content, or None if it is missing. Raises OSError if it can't be trusted."""
        try:
            descriptor = open_entry(self._folder, name, os.O_RDONLY)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_MAX_ENTRY_BYTES)

    def write(self, name: str, content: bytes) -> None:
        """Replace an entry atomically. Raises OSError."""
        temporary = f"temp-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600, dir_fd=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.rename(temporary, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            self.remove(temporary)
            raise
        self._prune()

    def remove(self, name: str) -> None:
        """Delete an entry, or an empty folder in its place. Does nothing if it is missing."""
        for delete in (os.unlink, os.rmdir):
            with contextlib.suppress(OSError):
                delete(name, dir_fd=self._folder)

    @contextlib.contextmanager
    def lock(self, name: str, done: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Hold the lock of `name`. Stop waiting for it if `done` becomes true, or after a minute."""
        descriptor = self._take_lock(f"lock-{name}", time.monotonic() + _LOCK_SECONDS, done)
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _take_lock(self, name: str, deadline: float, done: Callable[[], bool]) -> int | None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while time.monotonic() < deadline and not done():
            try:
                descriptor = os.open(name, flags, 0o600, dir_fd=self._folder)
            except OSError:
                return None
            try:
                if self._acquire(descriptor, name):
                    return descriptor
            except OSError:  # the file system has no locks
                os.close(descriptor)
                return None
            os.close(descriptor)
            time.sleep(_LOCK_POLL_SECONDS)
        return None

    def _acquire(self, descriptor: int, name: str) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # `clear` may have deleted the file meanwhile. Then other processes lock a new one.
            return os.stat(name, dir_fd=self._folder).st_ino == os.fstat(descriptor).st_ino
        except (BlockingIOError, FileNotFoundError):
            return False

    def clear(self) -> int:
        """Delete everything and return the number of deleted tokens and role credentials."""
        names = set(os.listdir(self._folder))
        for name in names:
            if name.startswith(_PREFIXES):
                self._discard(name)
            elif name.startswith(UNPACKED_PREFIX):
                shutil.rmtree(name, ignore_errors=True, dir_fd=self._folder)
        gone = names.difference(os.listdir(self._folder))
        return sum(name.startswith(("token-", "role-")) for name in gone)

    def _discard(self, name: str) -> None:
        if not name.startswith("lock-"):
            self.remove(name)
            return
        with contextlib.suppress(OSError):
            descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
            try:
                if self._acquire(descriptor, name):
                    self.remove(name)
            finally:
                os.close(descriptor)

    def _prune(self) -> None:
        ages = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(_PREFIXES):
                    with contextlib.suppress(OSError):
                        ages.append((entry.stat(follow_symlinks=False).st_mtime, entry.name))
        ages.sort(reverse=True)
        oldest = time.time() - _MAX_AGE_SECONDS
        for position, (age, name) in enumerate(ages):
            if age < oldest or position >= _MAX_ENTRIES:
                self._discard(name)


def _make_folders(path: str) -> None:
    missing = []
    while path and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path.rstrip("/"))
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
