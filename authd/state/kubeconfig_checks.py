"""Checks of the webhook kubeconfig against the certificate in force."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from cryptography import x509

from authd.state.atomic_file import read_regular
from authd.state.certificate_checks import issuer_problem, name_problem


def kubeconfig_problem(path: Path, serving_pem: bytes) -> str:
    """Return why a client of this kubeconfig refuses the certificate `serving_pem`, or an empty string.

    The order of precedence is client-go's: inline data before a file, `tls-server-name` before the URL's host. Raises
    `OSError` if the kubeconfig or its CA file can't be read.
    """
    try:
        cluster = _cluster(yaml.safe_load(read_regular(path)))
        trusted, server_name = _trusted(cluster, path.parent), _server_name(cluster)
        chain = x509.load_pem_x509_certificates(serving_pem)
    except (ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError, RecursionError, binascii.Error):
        return f"{path} is not a kubeconfig that names a cluster: run `authd init` and restart kube-apiserver"
    if trusted is None:
        return ""
    if not any(_trusts(authority, certificate) for authority in trusted for certificate in chain):
        return (
            f"{path} trusts another CA than that of the certificate in force, so kube-apiserver refuses every "
            "connection: restore the state directory, or run `authd init` and restart kube-apiserver"
        )
    problem = name_problem(chain[0], server_name)
    return f"the certificate in force is {problem}, the server name in {path}" if problem else ""


def _cluster(kubeconfig: Any) -> Mapping[str, Any]:
    contexts, clusters = _by_name(kubeconfig, "context"), _by_name(kubeconfig, "cluster")
    cluster: Mapping[str, Any] = clusters[contexts[kubeconfig["current-context"]]["cluster"]]
    cluster.get("server")  # raises `AttributeError` for anything but a mapping
    return cluster


def _by_name(kubeconfig: Any, kind: str) -> dict[str, Any]:
    return {entry["name"]: entry[kind] for entry in kubeconfig[f"{kind}s"]}


def _trusted(cluster: Mapping[str, Any], folder: Path) -> list[x509.Certificate] | None:
    """Return a cluster's CAs, None if its client uses the system's CAs or verifies no certificate."""
    if cluster.get("insecure-skip-tls-verify") is True:
        return None
    if data := cluster.get("certificate-authority-data"):
        return x509.load_pem_x509_certificates(base64.b64decode(str(data), validate=True))
    if file := cluster.get("certificate-authority"):
        return x509.load_pem_x509_certificates(read_regular(folder / str(file)))
    return None


def _trusts(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    return certificate == authority or not issuer_problem(certificate, authority)


def _server_name(cluster: Mapping[str, Any]) -> str:
    return str(cluster.get("tls-server-name") or urlsplit(str(cluster["server"])).hostname)
