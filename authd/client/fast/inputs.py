"""All inputs of a token except the clock: options, ExecInfo, environment and files.

The fast path, the full path and the key of the token cache use the same object, so that they can't disagree.
"""

from __future__ import annotations

import posix

from authd.client.fast.sigv4 import NotOnFastPath, sha256

# Type checkers take it as true. Importing it from typing would double the run time.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from authd.client.fast.exec_credential import ExecInfo
    from authd.client.fast.flags import Options

CLUSTER_ID_VARIABLE = b"KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID"
ROLE_VARIABLE = b"DEFAULT_ROLE"
# The ID is a header of every request to STS. The daemon's settings have the same limit.
MAX_CLUSTER_ID = 1024
# The fast path leaves larger files to the full path, for which files beyond the second limit count as missing.
_MAX_FILE_BYTES = 4 * 1024 * 1024
_MAX_LENIENT_BYTES = 256 * 1024 * 1024
_S_IFMT, _S_IFREG = 0o170000, 0o100000


class Inputs:
    """The options, kubectl's ExecInfo, the environment and the content of the files that these name."""

    __slots__ = (
        "config_file",
        "credentials_file",
        "environ",
        "exec_info",
        "home",
        "options",
        "settings_file",
        "unreadable",
    )

    def __init__(
        self, options: Options, exec_info: ExecInfo, environ: dict[bytes, bytes], *, lenient: bool = False
    ) -> None:
        """Read the files that `options` and `environ` name.

        A path to expand or an unreadable file raises NotOnFastPath. If `lenient`, it counts as missing.
        """
        self.options = options
        self.exec_info = exec_info
        self.environ = effective_environment(environ)
        home = environ.get(b"HOME")
        if home is None:
            home = _home_of_user()
        if not home.startswith(b"/"):
            raise NotOnFastPath
        # Paths of shared files that exist but can't be read, with the reason.
        self.unreadable: list[tuple[str, str]] = []
        # Empty for the root folder, which is the home in some containers.
        self.home = home.rstrip(b"/")
        self.config_file = self._read(b"AWS_CONFIG_FILE", b"/.aws/config", lenient)
        self.credentials_file = self._read(b"AWS_SHARED_CREDENTIALS_FILE", b"/.aws/credentials", lenient)
        self.settings_file = None
        if options.config:
            self.settings_file = read_file(options.config.encode("utf-8", "surrogateescape"))

    def _read(self, variable: bytes, default: bytes, lenient: bool) -> bytes | None:
        path = self.environ.get(variable)
        if path is None:
            path = self.home + default
        elif not path or b"$" in path or path.startswith(b"~"):
            raise NotOnFastPath
        if not lenient:
            return read_file(path)
        try:
            return read_file(path, _MAX_LENIENT_BYTES)
        except NotOnFastPath as reason:
            self.unreadable.append((path.decode(errors="backslashreplace"), str(reason)))
            return None

    def cluster_id(self) -> str | None:
        """Return the cluster ID of the option, the exec extension or the environment, in this order."""
        if self.options.cluster_id is not None:
            return self.options.cluster_id
        return self.exec_info.cluster_id or _text(self.environ.get(CLUSTER_ID_VARIABLE))

    def role(self) -> str | None:
        """Return the role to assume, in the same order. An empty option means none."""
        if self.options.role is not None:
            return self.options.role
        return self.exec_info.role_arn or _text(self.environ.get(ROLE_VARIABLE))

    def cache_key(self) -> str:
        """Return a hex digest of everything that can change the token."""
        options = self.options
        parts = [
            options.cluster_id, options.role, options.external_id, options.session_name, options.region,
            options.duration, options.endpoint, options.config,
            "forward" if options.forward_session_name else None, self.exec_info.cluster_id, self.exec_info.role_arn,
            _text(self.environ.get(CLUSTER_ID_VARIABLE)), _text(self.environ.get(ROLE_VARIABLE)),
        ]  # fmt: skip
        return _digest([*map(_bytes, parts), self.settings_file, *self._aws_environment()])

    def profile_key(self) -> str:
        """Return a hex digest of everything that can change the profile's credentials."""
        return _digest(self._aws_environment())

    def _aws_environment(self) -> list[bytes | None]:
        pieces = [_bytes(self.options.profile), self.home, self.config_file, self.credentials_file]
        for name in sorted(self.environ):
            if name.startswith((b"AWS_", b"BOTO")):
                pieces += [name, self.environ[name]]
        return pieces


def effective_environment(environ: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the environment without variables that count as unset.

    Empty variables count as unset, as in the AWS SDKs other than Python's, except for paths of shared files: an empty
    path means no file. AWS_DEFAULT_PROFILE counts only without AWS_PROFILE, as in the AWS CLI v2 and the SDK for Go.
    """
    found = {
        name: value
        for name, value in environ.items()
        if value or not name.startswith(b"AWS_") or name in (b"AWS_CONFIG_FILE", b"AWS_SHARED_CREDENTIALS_FILE")
    }
    if b"AWS_PROFILE" in found:
        found.pop(b"AWS_DEFAULT_PROFILE", None)
    if environ.get(b"AWS_ACCESS_KEY_ID") == b"" and environ.get(b"AWS_SECRET_ACCESS_KEY"):
        found[b"AWS_ACCESS_KEY_ID"] = b""  # kept, because the full path reports half of a pair
    return found


def _home_of_user() -> bytes:
    from pwd import getpwuid

    try:
        return getpwuid(posix.getuid()).pw_dir.encode("utf-8", "surrogateescape")
    except KeyError:
        raise NotOnFastPath from None


def read_file(path: bytes, limit: int = _MAX_FILE_BYTES) -> bytes | None:
    """Return the content of a regular file, or None if it does not exist.

    Raises NotOnFastPath for an unreadable file, one of `limit` bytes or more, and anything but a regular file.
    """
    if path == b"/dev/null":
        return None
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):  # service accounts may have /dev/null as home
        return None
    except OSError as error:
        raise NotOnFastPath(error.strerror) from None
    try:
        # botocore ignores anything but regular files. A pipe could be read only once.
        if posix.fstat(descriptor).st_mode & _S_IFMT != _S_IFREG:
            raise NotOnFastPath("it is not a regular file")
        content = posix.read(descriptor, limit)
    except OSError as error:
        raise NotOnFastPath(error.strerror) from None
    finally:
        posix.close(descriptor)
    if len(content) == limit:
        raise NotOnFastPath("it is too large")
    return content


def _text(value: bytes | None) -> str | None:
    return value.decode("utf-8", "surrogateescape") if value else None


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode("utf-8", "surrogateescape")


def _digest(pieces: list[bytes | None]) -> str:
    # Length prefixes, so that different lists never give the same bytes.
    whole = b"".join(b"-" if piece is None else b"%d:%s" % (len(piece), piece) for piece in pieces)
    return str(sha256(whole).hexdigest())
