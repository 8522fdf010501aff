"""The context of a kubeconfig: its server, CA and credential plugin."""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from authd.cli.kubeconfig.document import Document, child
from authd.cli.kubeconfig.files import kubeconfig_paths, read_kubeconfig
from authd.cli.shared.errors import CommandError


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One context with the settings of its cluster and user. Relative paths start at `folder`."""

    name: str
    cluster: dict[str, Any]
    user_name: str
    user: dict[str, Any]
    folder: Path


def find_context(kubeconfig: str | None, name: str | None) -> Context:
    """Return a context of the kubeconfig files, the current one by default. Raises CommandError."""
    paths = kubeconfig_paths(kubeconfig)
    files = [(path, read_kubeconfig(path)) for path in paths]
    name = name or current_context(files)
    if not name:
        raise CommandError("the kubeconfig has no current context; name one with --context")
    _, context = _entry(files, "contexts", "context", name, f"there is no context {name!r}")
    cluster_name, user_name = str(context.get("cluster")), str(context.get("user"))
    path, cluster = _entry(files, "clusters", "cluster", cluster_name, f"the context {name!r} names a missing cluster")
    _, user = _entry(files, "users", "user", user_name, f"the context {name!r} names a missing user")
    return Context(name=name, cluster=cluster, user_name=user_name, user=user, folder=path.parent)


def current_context(files: Iterable[tuple[Path, Document]]) -> str:
    """Return the current context of the first file that names one, as kubectl does. Empty if none does."""
    return next((str(found) for _, file in files if (found := file.root_value("current-context"))), "")


def _entry(
    files: list[tuple[Path, Document]], section: str, key: str, name: str, fault: str
) -> tuple[Path, dict[str, Any]]:
    for path, document in files:
        entry = document.entry(section, name)
        if entry is not None:
            value = document.value(child(entry, key))
            return path, value if isinstance(value, dict) else {}
    raise CommandError(f"{fault}; `kubectl config get-contexts` shows the contexts")


def tls_context(context: Context) -> ssl.SSLContext:
    """Return the TLS settings for the context's server. Raises CommandError."""
    cluster = context.cluster
    try:
        if cluster.get("certificate-authority-data"):
            pem = base64.b64decode(cluster["certificate-authority-data"], validate=True).decode("ascii")
            return ssl.create_default_context(cadata=pem)
        if cluster.get("certificate-authority"):
            return ssl.create_default_context(cafile=context.folder / cluster["certificate-authority"])
    except (OSError, ValueError, binascii.Error) as error:
        reason = getattr(error, "strerror", None) or "it is not PEM"
        raise CommandError(
            f"the CA of the context {context.name!r} cannot be used: {reason}; correct certificate-authority or "
            "certificate-authority-data in the kubeconfig"
        ) from None
    tls = ssl.create_default_context()
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    return tls
