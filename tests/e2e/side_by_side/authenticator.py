"""`aws-iam-authenticator server` as a process, with the emulator as its STS."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Self

from authd.emulator.kube_apiserver import post, token_review
from tests.integration.rig.minting import bare_environment
from tests.integration.rig.polling import wait_until
from tests.integration.rig.ports import free_port
from tests.integration.rig.webhook_client import Response

_HEALTH_PORT = 21363
NOTHING: Mapping[str, str] = MappingProxyType({})


class AuthenticatorProcess:
    """The Go program with its own settings file.

    It has no setting for STS's address or CA: its calls go through a proxy that opens every tunnel to the emulator, and
    it trusts only the emulator's CA. It opens its health port on all addresses, without a setting for it. So the test
    takes the port before its start, and the program continues without it.
    """

    def __init__(
        self, binary: str, folder: Path, *, proxy_port: int, ca_file: str, environment: Mapping[str, str] = NOTHING
    ) -> None:
        self.folder = folder
        self.settings = folder / "config.yaml"
        self.log = folder / "log"
        self.port = free_port()
        self._command = [
            binary,
            "server",
            f"--config={self.settings}",
            f"--state-dir={folder}",
            f"--generate-kubeconfig={folder / 'kubeconfig.yaml'}",
        ]
        self._environment = bare_environment(
            folder,
            HTTPS_PROXY=f"http://127.0.0.1:{proxy_port}",
            SSL_CERT_FILE=ca_file,
            SSL_CERT_DIR=str(folder),
            **environment,
        )
        self._process: subprocess.Popen[bytes]
        self._connection: http.client.HTTPSConnection
        self._health_port: socket.socket

    def __enter__(self) -> Self:
        with suppress(OSError):  # another program may have taken it
            self._health_port = socket.create_server(("127.0.0.1", _HEALTH_PORT))
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            wait_until(self._listens, "aws-iam-authenticator to listen")
            tls = ssl.create_default_context(cafile=str(self.folder / "cert.pem"))
        except BaseException:
            self.__exit__()
            raise
        self._connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=tls, timeout=40)
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()
        # It has no state to save.
        self._process.kill()
        self._process.wait()
        if hasattr(self, "_health_port"):
            self._health_port.close()

    def review(self, token: str, version: str) -> Response:
        """Post a TokenReview as kube-apiserver does."""
        response = post(self._connection, "/authenticate", token_review(token, version=version))
        answer = Response(status=response.status, headers=dict(response.getheaders()), body=response.read())
        if response.will_close:
            self._connection.close()
        return answer

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.log.read_text(errors="replace")[-4000:]
        try:
            ssl.get_server_certificate(("127.0.0.1", self.port))
        except OSError:
            return False
        return True
