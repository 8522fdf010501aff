"""Reads cached tokens, checks their permissions and freshness, and detects refused ones.

client-go runs its plugin again after a 401, from the same process. Each token file therefore lists the processes
that it has served. A second request from one of them means that the cluster refused the token. Other programs
repeat requests for reasons of their own, so they are not recorded.
"""

from __future__ import annotations

import posix

from authd.client.fast.sigv4 import NotOnFastPath, sha256

MAGIC = b"authd-token 1"
# A token closer to its expiry could expire on its way to the cluster.
STALE_SECONDS = 60
# Ordinary clock drift. A clock that was set back must not prolong a token's life.
_FUTURE_SECONDS = 5
# Room for a few thousand kubectl calls within one token's life.
MAX_FILE_BYTES = 128 * 1024
# Magic, key, times, token and checksum.
_MIN_LINES = 5
_AFTER_REFUSAL = b"again "
_S_IFMT, _S_IFDIR, _S_IFREG, _S_IFLNK = 0o170000, 0o040000, 0o100000, 0o120000

HIT, MISS, REFUSED, UNTRUSTED = "hit", "miss", "refused", "untrusted"
# The cluster refused both this token and the previous one.
REFUSED_AGAIN = "refused again"


class Cached:
    """The result of a look-up. `outcome` is HIT, MISS, REFUSED, REFUSED_AGAIN or UNTRUSTED. Only a HIT has a token."""

    __slots__ = ("expires_at", "outcome", "problem", "token")

    def __init__(self, outcome: str, *, token: str = "", expires_at: int = 0, problem: str = "") -> None:
        self.outcome = outcome
        self.token = token
        self.expires_at = expires_at
        self.problem = problem

    def __repr__(self) -> str:
        return f"Cached({self.outcome})"


def folder_path(environ: dict[bytes, bytes], home: bytes) -> bytes:
    """Return the folder that holds the cache: AUTHD_CACHE_DIR, else ~/.kube/cache/authd.

    Raises NotOnFastPath for a relative path.
    """
    path = environ.get(b"AUTHD_CACHE_DIR") or b"~/.kube/cache/authd"
    if path.startswith(b"~/"):
        path = home + path[1:]
    if not path.startswith(b"/"):
        raise NotOnFastPath
    return path


def find_token(folder: bytes, key: str, now: int, requester: bytes | None, *, refused: bool = False) -> Cached:
    """Return the token cached under `key`, and record that `requester` (see `parent_process`) has it.

    `requester` is None for a program whose repeated requests don't mean a refusal. `refused` records that the previous
    token was refused.
    """
    try:
        descriptor = _open_trusted(folder, key)
    except FileNotFoundError:
        return Cached(MISS)
    except OSError as error:
        return Cached(UNTRUSTED, problem=str(error.strerror))
    try:
        return _read_entry(descriptor, key, now, served_line(requester, refused=refused) if requester else b"")
    except OSError as error:
        return Cached(UNTRUSTED, problem=f"cannot be read or written ({error.strerror})")
    except ValueError:
        return Cached(UNTRUSTED, problem="is damaged")
    finally:
        posix.close(descriptor)


def parent_process() -> bytes:
    """Return a unique name of the requesting program: its process ID, start time and the inode of its executable.

    The start time is in clock ticks since boot (proc(5), /proc/PID/stat, field 22), or 0 if /proc is unavailable. The
    inode is needed because a kubectl wrapper such as Google Cloud's requests a token for itself and then executes the
    right version of kubectl in the same process.
    """
    process = posix.getppid()
    try:
        descriptor = posix.open(f"/proc/{process}/stat", posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            fields = posix.read(descriptor, 1024).rpartition(b")")[2].split()
        finally:
            posix.close(descriptor)
        started = fields[19]
    except (OSError, IndexError):
        started = b"0"
    try:
        program = posix.stat(f"/proc/{process}/exe").st_ino
    except OSError:
        program = 0
    return b"%d %s %d" % (process, started, program)


def render_token(key: str, now: int, expires_at: int, token: str, watched: bytes) -> bytes:
    """Return the content of a new token file. `watched` has lines from `fingerprint`."""
    body = b"%s\n%s\n%d %d\n%s\n%s" % (MAGIC, key.encode(), now, expires_at, token.encode(), watched)
    return body + b"%s\n\n" % _checksum(body)


def served_line(requester: bytes, *, refused: bool = False) -> bytes:
    """Return the line that records a process served with the token, and whether the previous token was refused."""
    return b"%s%s\n" % (_AFTER_REFUSAL if refused else b"", requester)


def fingerprint(path: bytes) -> bytes:
    """Return a line with the name and the state of a file, for detecting later changes."""
    try:
        state = posix.stat(path)
    except OSError:
        return b"- %s\n" % path
    return b"%d,%d,%d %s\n" % (state.st_mtime_ns, state.st_size, state.st_ino, path)


def open_folder(folder: bytes) -> int:
    """Return a descriptor of the cache folder. Raises OSError with a message if others could write to it."""
    descriptor = posix.open(folder, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    try:
        _require_private(descriptor, _S_IFDIR, folder)
    except OSError:
        posix.close(descriptor)
        raise
    return descriptor


def open_entry(folder: int, name: str, flags: int) -> int:
    """Return a descriptor of a file in the cache folder. Raises OSError like `open_folder`."""
    flags |= posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NONBLOCK
    try:
        descriptor = posix.open(name, flags, dir_fd=folder)
    except OSError:
        _refuse_link(folder, name)
        raise
    try:
        _require_private(descriptor, _S_IFREG, name)
    except OSError:
        posix.close(descriptor)
        raise
    return descriptor


def token_name(key: str) -> str:
    """Return the name of the file that holds the token cached under `key`."""
    return f"token-{key[:40]}"


def _open_trusted(folder: bytes, key: str) -> int:
    descriptor = open_folder(folder)
    try:
        return open_entry(descriptor, token_name(key), posix.O_RDWR | posix.O_APPEND)
    finally:
        posix.close(descriptor)


def _refuse_link(folder: int, name: str) -> None:
    if posix.lstat(name, dir_fd=folder).st_mode & _S_IFMT == _S_IFLNK:
        raise PermissionError(0, "is a symbolic link", name)


def _require_private(descriptor: int, kind: int, path: bytes | str) -> None:
    state = posix.fstat(descriptor)
    if isinstance(path, bytes):
        path = path.decode(errors="replace")
    if state.st_mode & _S_IFMT != kind:
        raise PermissionError(0, "is not a regular file or folder", path)
    if state.st_uid != posix.geteuid():
        raise PermissionError(0, "belongs to another user", path)
    if state.st_mode & 0o077:
        raise PermissionError(0, "is accessible to other users; run `chmod go=` on it, or remove it", path)


def _read_entry(descriptor: int, key: str, now: int, served_now: bytes) -> Cached:
    content = posix.read(descriptor, MAX_FILE_BYTES)
    body, end, served = content.partition(b"\n\n")
    lines = body.split(b"\n")
    if len(content) == MAX_FILE_BYTES:
        return Cached(MISS)
    if not end or len(lines) < _MIN_LINES or lines[:2] != [MAGIC, key.encode()]:
        return Cached(UNTRUSTED, problem="is not a token file of this version")
    if _checksum(body[: -len(lines[-1])]) != lines[-1]:
        return Cached(UNTRUSTED, problem="is damaged")
    minted, expires_at = map(int, lines[2].split())
    unchanged = all(fingerprint(line.partition(b" ")[2]) == line + b"\n" for line in lines[4:-1])
    if not unchanged or not minted - _FUTURE_SECONDS <= now < expires_at - STALE_SECONDS:
        return Cached(MISS)
    if served_now:
        first, known = served_now.removeprefix(_AFTER_REFUSAL), served.splitlines(keepends=True)
        if first in known or _AFTER_REFUSAL + first in known:
            return Cached(REFUSED_AGAIN if _AFTER_REFUSAL + first in known else REFUSED)
        posix.write(descriptor, served_now)
    return Cached(HIT, token=lines[3].decode(), expires_at=expires_at)


def _checksum(body: bytes) -> bytes:
    return bytes(sha256(body).hexdigest(), "ascii")
