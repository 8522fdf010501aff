"""Keeps the webhook kubeconfig in step with the certificate, unless `kubeconfigPregenerated` is set."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from twisted.logger import Logger

from authd.config.settings import Settings
from authd.core.errors import ConfigError
from authd.state.atomic_file import read_regular
from authd.state.certificate_store import StateFiles
from authd.state.kubeconfig import unwritable, write_kubeconfig
from authd.state.kubeconfig_checks import kubeconfig_problem

_log = Logger(namespace="authd.kubeconfig")

#: Temporary errors.
_TRANSIENT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})


class WebhookKubeconfig:
    """The kubeconfig of a daemon that listens on `port`, rewritten if the CA or the file changes.

    `trusted` returns the CA in force and `served` the certificate in force, both PEM. `now` returns an aware time. With
    `kubeconfigPregenerated` the file is only compared with the certificate in force.
    """

    def __init__(
        self,
        settings: Settings,
        files: StateFiles,
        port: int,
        *,
        trusted: Callable[[], bytes],
        served: Callable[[], bytes],
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._files = files
        self._port = port
        self._trusted = trusted
        self._served = served
        self._now = now
        self._problem = ""
        self._detail = ""
        self._seen: tuple[bytes, bytes] | None = None

    def write(self) -> None:
        """Write the file if it is missing or outdated.

        Raises `ConfigError` for permanent errors. Temporary ones, such as a full disk, are logged and retried, because
        the existing kubeconfig still works.
        """
        path = Path(self._settings.generate_kubeconfig)
        if self._settings.kubeconfig_pregenerated:
            self._compare(path)
            return
        existed = path.exists()
        try:
            written = self._write(path)
        except OSError as error:
            problem = unwritable(path, error)
            if not existed or error.errno not in _TRANSIENT:
                raise ConfigError((problem,)) from None
            if str(problem) != self._problem:
                _log.error("{problem}", problem=str(problem))
            self._problem = str(problem)
            return
        self._problem = ""
        if written and existed:
            _log.warn("the webhook kubeconfig {path} has changed: restart kube-apiserver", path=str(path))
        elif written:
            _log.info("wrote the webhook kubeconfig {path}", path=str(path))

    def _write(self, path: Path) -> bool:
        return write_kubeconfig(
            path,
            self._files,
            host=self._settings.hostname,
            port=self._port,
            now=self._now(),
            trusted_pem=self._trusted(),
            mutual_tls=self._settings.require_client_certificate,
        )

    def check(self) -> None:
        """Write the file again if it or the CA has changed. Never raises."""
        if self._settings.kubeconfig_pregenerated:
            self._compare(Path(self._settings.generate_kubeconfig))
            return
        try:
            seen = self._state()
            if seen is None or seen != self._seen:
                self.write()
                self._seen = None if self._problem else self._state()
        except (ConfigError, OSError) as error:
            if str(error) != self._problem:
                _log.error("{problem}", problem=str(error))
            self._problem = str(error)

    def _compare(self, path: Path) -> None:
        """Compare a pregenerated kubeconfig with the certificate in force. Log a new problem."""
        try:
            state = (read_regular(path), self._served())
            if state == self._seen:
                return
            self._seen, self._detail, problem = state, "", kubeconfig_problem(path, self._served())
        except OSError as error:
            # The file may be readable only by root. Failed handshakes are logged in any case.
            self._seen, problem = None, ""
            self._detail = f"not compared with the certificate in force ({error.strerror}): run `authd doctor` as root"
        if problem and problem != self._problem:
            _log.error("{problem}", problem=problem)
        self._problem = problem

    def detail(self) -> str:
        """Return the reason why the file could not be compared, or an empty text."""
        return self._detail

    def _state(self) -> tuple[bytes, bytes] | None:
        """Return the file's content and the CA in force. The YAML is parsed only if one of them changes."""
        path = Path(self._settings.generate_kubeconfig)
        return (read_regular(path), self._trusted()) if path.is_file() else None

    def problem(self) -> str:
        """Return why the file is missing or outdated, or an empty text."""
        return self._problem
