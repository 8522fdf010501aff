"""Keeps the webhook kubeconfig in step with the certificate, unless someone else does."""

from __future__ import annotations

from pathlib import Path

from authd.config.settings import Settings
from authd.core.errors import ConfigError, Problem
from authd.daemon.certificates import CertifiedKey
from authd.daemon.kubeconfig import webhook_kubeconfig
from authd.daemon.state_files import StateFiles, write_whole


def ensure_kubeconfig(settings: Settings, files: StateFiles, port: int, client: CertifiedKey | None = None) -> bool:
    """Write the kubeconfig where it isn't there as it should be; returns whether it was written.

    `port` is the one that is listened on: the settings' own may stand for any. With `client`, kube-apiserver
    proves itself by that certificate. Raises `ConfigError` where it can't be written.
    """
    path = Path(settings.generate_kubeconfig)
    try:
        content = webhook_kubeconfig(
            host=settings.hostname,
            port=port,
            authority_pem=files.trusted.read_bytes(),
            client=client,
        )
        if path.exists() and path.read_bytes() == content:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        message = (
            f"the webhook kubeconfig can't be written: {error.strerror}; run `authd init` as root and set "
            "server.kubeconfigPregenerated, or choose another server.generateKubeconfig"
        )
        raise ConfigError((Problem(file=str(path), line=0, column=0, message=message),)) from None
    return True
