"""The paths in the daemon's state directory.

`cert.pem` and `key.pem` are aws-iam-authenticator's names, so that a pair that kube-apiserver already trusts stays in
use.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDir:
    """The files of one state directory, by name."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """The server's certificate, PEM."""
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        """The server's private key, PEM."""
        return self.folder / "key.pem"

    @property
    def authority(self) -> Path:
        """The certificate of the local CA, if it signed the server's certificate."""
        return self.folder / "ca.pem"

    @property
    def authority_key(self) -> Path:
        """The private key of the local CA."""
        return self.folder / "ca-key.pem"

    @property
    def last_pair(self) -> Path:
        """The last good certificate and its key in one file.

        Two files can't be replaced in one step. This one can, and is replaced first.
        """
        return self.folder / "last-good.pem"

    @property
    def last_good(self) -> Path:
        """The last content of the settings file that came into force."""
        return self.folder / "last-good.yaml"

    def table_copy(self, source: str) -> Path:
        """Return the path of the last good mappings of a source in the cluster."""
        return self.folder / f"last-good-{source.lower()}.json"

    @property
    def status_socket(self) -> Path:
        """The socket for `authd status`."""
        return self.folder / "status.sock"

    @property
    def forced_reload(self) -> Path:
        """The SHA-256 of the settings file's content that the lock-out guard must accept."""
        return self.folder / "force-reload"
