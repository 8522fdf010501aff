"""Reading a cached token: whom to trust, when it is stale, and when asking again means that it was refused.

client-go runs its plugin again after a 401, from the same process. So each token file lists the processes that it
has served: one that asks a second time for a token that isn't stale was refused, and gets a new one.
"""

from __future__ import annotations

import posix

from authd.client.fast.sigv4 import NotOnFastPath, sha256

MAGIC = b"authd-token 1"
# A token that could expire on its way to the cluster isn't handed out any more.
STALE_SECONDS = 60
# A clock that was set back must not prolong a token's life; this much is ordinary drift.
_FUTURE_SECONDS = 5
# Room for a few thousand kubectl calls within one token's life.
MAX_FILE_BYTES = 128 * 1024
# The magic word, the key, the times, the token and the checksum.
_MIN_LINES = 5
_S_IFMT, _S_IFDIR, _S_IFREG, _S_IFLNK = 0o170000, 0o040000, 0o100000, 0o120000

HIT, MISS, REFUSED, UNTRUSTED = "hit", "miss", "refused", "untrusted"


class Cached:
    """What the cache has: `outcome` is one of HIT, MISS, REFUSED, UNTRUSTED; the rest belongs to a HIT."""

    __slots__ = ("complaint", "expires_at", "outcome", "token")

    def __init__(self, outcome: str, *, token: str = "", expires_at: int = 0, complaint: str = "") -> None:
        self.outcome = outcome
        self.token = token
        self.expires_at = expires_at
        self.complaint = complaint

    def __repr__(self) -> str:
        return f"Cached({self.outcome})"


def folder_path(environ: dict[bytes, bytes], home: bytes) -> bytes:
    """Return the folder that holds the cache: AUTHD_CACHE_DIR, else ~/.kube/cache/authd.

    Raises NotOnFastPath for a path that would be another one in another working directory.
    """
    path = environ.get(b"AUTHD_CACHE_DIR") or b"~/.kube/cache/authd"
    if path.startswith(b"~/"):
        path = home + path[1:]
    if not path.startswith(b"/"):
        raise NotOnFastPath
    return path


def find_token(folder: bytes, key: str, now: int, asker: bytes) -> Cached:
    """Return the token cached under `key`, and note that `asker` (see `parent_process`) has got it."""
    try:
        descriptor = _open_trusted(folder, key)
    except FileNotFoundError:
        return Cached(MISS)
    except OSError as error:
        return Cached(UNTRUSTED, complaint=str(error.strerror))
    try:
        return _judge(descriptor, key, now, asker)
    except OSError as error:
        return Cached(UNTRUSTED, complaint=f"cannot be read or written ({error.strerror})")
    except ValueError:
        return Cached(UNTRUSTED, complaint="is damaged")
    finally:
        posix.close(descriptor)


def parent_process() -> bytes:
    """Return what tells the program that ran us from any other: its process, when that started, and the file it runs.

    The start is in clock ticks since boot (proc(5), /proc/PID/stat, field 22), 0 where /proc does not say. The file
    matters since a kubectl that only looks for the right version of kubectl (Google Cloud's does) asks for itself and
    then becomes the other one, in the same process.
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
    """Return the content of a token file that has served nobody yet; `watched` is from `fingerprint`."""
    body = b"%s\n%s\n%d %d\n%s\n%s" % (MAGIC, key.encode(), now, expires_at, token.encode(), watched)
    return body + b"%s\n\n" % _checksum(body)


def served_line(asker: bytes) -> bytes:
    """Return the line that notes a process that has got the token."""
    return b"%s\n" % asker


def fingerprint(path: bytes) -> bytes:
    """Return a line that names a file and the state it is in, to be told whether it changes later."""
    try:
        state = posix.stat(path)
    except OSError:
        return b"- %s\n" % path
    return b"%d,%d,%d %s\n" % (state.st_mtime_ns, state.st_size, state.st_ino, path)


def open_folder(folder: bytes) -> int:
    """Return a descriptor of the cache folder; raise OSError, with words for the user if it can't be trusted."""
    descriptor = posix.open(folder, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    try:
        _demand_private(descriptor, _S_IFDIR, folder)
    except OSError:
        posix.close(descriptor)
        raise
    return descriptor


def open_entry(folder: int, name: str, flags: int) -> int:
    """Return a descriptor of a file in the cache folder; raise OSError as `open_folder` does."""
    flags |= posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NONBLOCK
    try:
        descriptor = posix.open(name, flags, dir_fd=folder)
    except OSError:
        _refuse_link(folder, name)
        raise
    try:
        _demand_private(descriptor, _S_IFREG, name)
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


def _demand_private(descriptor: int, kind: int, path: bytes | str) -> None:
    state = posix.fstat(descriptor)
    if isinstance(path, bytes):
        path = path.decode(errors="replace")
    if state.st_mode & _S_IFMT != kind:
        raise PermissionError(0, "is not what belongs there", path)
    if state.st_uid != posix.geteuid():
        raise PermissionError(0, "belongs to someone else", path)
    if state.st_mode & 0o077:
        raise PermissionError(0, "is open to others; `chmod go=` it, or remove it", path)


def _judge(descriptor: int, key: str, now: int, asker: bytes) -> Cached:
    content = posix.read(descriptor, MAX_FILE_BYTES)
    body, end, served = content.partition(b"\n\n")
    lines = body.split(b"\n")
    if len(content) == MAX_FILE_BYTES:
        return Cached(MISS)
    if not end or len(lines) < _MIN_LINES or lines[:2] != [MAGIC, key.encode()]:
        return Cached(UNTRUSTED, complaint="is not a token file of this version")
    if _checksum(body[: -len(lines[-1])]) != lines[-1]:
        return Cached(UNTRUSTED, complaint="is damaged")
    minted, expires_at = map(int, lines[2].split())
    unchanged = all(fingerprint(line.partition(b" ")[2]) == line + b"\n" for line in lines[4:-1])
    if not unchanged or not minted - _FUTURE_SECONDS <= now < expires_at - STALE_SECONDS:
        return Cached(MISS)
    if b"\n" + served_line(asker) in b"\n" + served:
        return Cached(REFUSED)
    posix.write(descriptor, served_line(asker))
    return Cached(HIT, token=lines[3].decode(), expires_at=expires_at)


def _checksum(body: bytes) -> bytes:
    return bytes(sha256(body).hexdigest(), "ascii")
