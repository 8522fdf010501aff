"""The address of an API server, its trusted certificate authorities, and the client's credentials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from authd.core.errors import ConfigError, Problem

#: CA bundles, keys and tokens are far smaller.
_MAX_BYTES = 1024 * 1024


class Content:
    """A credential or CA bundle. If it is in a file, the file is read at each use, because credentials rotate.

    The bytes are not in the repr.
    """

    def __init__(self, data: bytes = b"", *, file: str = "") -> None:
        self._data = data
        self.file = file

    def read(self) -> bytes:
        """Return the bytes. Raises `ConfigError` if the file can't be read."""
        if not self.file:
            return self._data
        try:
            with Path(self.file).open("rb") as stream:
                return stream.read(_MAX_BYTES)
        except OSError as error:
            message = f"the credentials for the API server can't be read: {error.strerror}"
            raise ConfigError((Problem(file=self.file, line=0, column=0, message=message),)) from None

    def __repr__(self) -> str:
        return f"<Content of {self.file}>" if self.file else "<Content>"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAccess:
    """An API server at `https://host:port` below `path`, and the credentials for it.

    `ca` None means the system's trust store. `server_name` is the name to verify in the certificate, empty for `host`.
    `namespace` is the default one.
    """

    host: str
    port: int
    path: str = ""
    server_name: str = ""
    namespace: str = "default"
    ca: Content | None = None
    certificate: Content | None = None
    key: Content | None = None
    token: Content | None = None

    @property
    def url(self) -> str:
        """The URL without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}{self.path}"
