"""Keeps the webhook kubeconfig in step with the certificate, unless someone else does."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from twisted.logger import Logger

from authd.config.settings import Settings
from authd.core.errors import ConfigError, Problem
from authd.state.atomic_file import read_regular, write_if_changed
from authd.state.certificate_store import StateFiles
from authd.state.client_certificate import user_entries
from authd.state.kubeconfig import webhook_kubeconfig

_log = Logger(namespace="authd.kubeconfig")

#: What passes without anybody's changing the settings.
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})


def ensure_kubeconfig(
    settings: Settings, files: StateFiles, port: int, now: datetime, *, mutual_tls: bool = False
) -> bool:
    """Write the kubeconfig if it is missing or outdated; returns whether it was written.

    `port` is the listening port, because the settings may say 0 for any. With `mutual_tls` the file gets a client
    certificate. Without it, an existing one stays. Raises `ConfigError` if the file can't be written.
    """
    try:
        return _ensure(settings, files, port, now, files.trusted_pem(), mutual_tls=mutual_tls)
    except OSError as error:
        raise ConfigError((_problem(settings, error),)) from None


def _ensure(
    settings: Settings, files: StateFiles, port: int, now: datetime, trusted_pem: bytes, *, mutual_tls: bool
) -> bool:
    path = Path(settings.generate_kubeconfig)
    content = webhook_kubeconfig(
        host=settings.hostname,
        port=port,
        authority_pem=trusted_pem,
        user=user_entries(path, files, now, required=mutual_tls),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_if_changed(path, content)


def _problem(settings: Settings, error: OSError) -> Problem:
    message = (
        f"the webhook kubeconfig can't be written: {error.strerror}; run `authd init` as root and set "
        "server.kubeconfigPregenerated, or choose another server.generateKubeconfig"
    )
    return Problem(file=settings.generate_kubeconfig, line=0, column=0, message=message)


class WebhookKubeconfig:
    """The kubeconfig of a daemon that listens on `port`, as its certificate and others' edits come and go.

    `trusted` returns the certificates that what is served is to be checked by, `now` an aware time.
    """

    def __init__(
        self,
        settings: Settings,
        files: StateFiles,
        port: int,
        *,
        trusted: Callable[[], bytes],
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._files = files
        self._port = port
        self._trusted = trusted
        self._now = now
        self._problem = ""
        self._seen: tuple[bytes, bytes] | None = None

    def write(self) -> None:
        """Write the file if it is missing or outdated.

        Raises `ConfigError` for permanent errors. Temporary ones, such as a full disk, are logged and retried, because
        the existing kubeconfig goes on working.
        """
        settings, path = self._settings, Path(self._settings.generate_kubeconfig)
        if settings.kubeconfig_pregenerated:
            return
        existed = path.exists()
        required = settings.require_client_certificate
        try:
            written = _ensure(settings, self._files, self._port, self._now(), self._trusted(), mutual_tls=required)
        except OSError as error:
            problem = _problem(settings, error)
            if not existed or error.errno not in _PASSING:
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

    def check(self) -> None:
        """Write it again where it isn't as it should be any more; never fails."""
        if self._settings.kubeconfig_pregenerated:
            return
        try:
            seen = self._look()
            if seen is None or seen != self._seen:
                self.write()
                self._seen = None if self._problem else self._look()
        except (ConfigError, OSError) as error:
            if str(error) != self._problem:
                _log.error("{problem}", problem=str(error))
            self._problem = str(error)

    def _look(self) -> tuple[bytes, bytes] | None:
        """Return what a look without parsing tells: nothing is to be done while that stays as it is."""
        path = Path(self._settings.generate_kubeconfig)
        return (read_regular(path), self._trusted()) if path.is_file() else None

    def problem(self) -> str:
        """Say why it isn't as it should be, or nothing."""
        return self._problem
