"""Checks the permissions at the Kubernetes API that the sources EKSConfigMap and CRD need."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, NamedTuple

from authd.cli.doctor.findings import Finding, error, ok, warning
from authd.cli.doctor.installation import Installation
from authd.cli.shared.reactor_run import run_with_reactor
from authd.core.errors import ConfigError
from authd.daemon.net.api_tls import APIConnector
from authd.exchange.errors import ExchangeError
from authd.kubernetes.access import ClusterAccess
from authd.kubernetes.client import APIClient
from authd.kubernetes.discovery import find_cluster

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_GROUP = "iamauthenticator.k8s.aws"


class _Permission(NamedTuple):
    """One permission. Mappings are followed without the optional ones."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    optional: bool = False

    def attributes(self) -> dict[str, str]:
        """Return the `resourceAttributes` of an access review."""
        given = {field: value for field, value in self._asdict().items() if isinstance(value, str)}
        return {field: value for field, value in given.items() if value}

    def __str__(self) -> str:
        """Return the permission as `verb resource in namespace`."""
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {resource}{f' in {self.namespace}' if self.namespace else ''}"


_NEEDED = {
    "EKSConfigMap": [
        _Permission(verb, "configmaps", namespace="kube-system", name="aws-auth") for verb in ("get", "list", "watch")
    ],
    "CRD": [
        *(_Permission(verb, "iamidentitymappings", _GROUP) for verb in ("get", "list", "watch")),
        _Permission("patch", "iamidentitymappings", _GROUP, subresource="status", optional=True),
        _Permission("create", "events", namespace="default", optional=True),
    ],
}
_MANIFESTS = {"EKSConfigMap": "rbac-eks-configmap.yaml", "CRD": "rbac-crd.yaml"}


def examine_permissions(installation: Installation) -> Iterator[Finding]:
    """Ask the API server for the daemon's permissions, for each source that needs them."""
    sources = [source for source in installation.settings.backend_mode if source in _NEEDED]
    if not sources:
        yield ok("no source needs the Kubernetes API")
        return
    settings = installation.settings
    try:
        access = find_cluster(
            kubeconfig=settings.kubeconfig or "", master=settings.master or "", environment=os.environ
        )
        reviews = _ask_all(access, [each for source in sources for each in _NEEDED[source]], installation.timeout)
    except (ConfigError, ExchangeError) as problem:
        yield error(f"the Kubernetes API can't be called: {problem}", "correct server.kubeconfig or server.master")
        return
    for source in sources:
        yield from _findings(source, reviews)


def _findings(source: str, allowed: dict[_Permission, bool]) -> Iterator[Finding]:
    missing = [each for each in _NEEDED[source] if not allowed[each]]
    fix = f"kubectl apply -f deploy/kubernetes/{_MANIFESTS[source]}"
    for each in missing:
        message = f"the source {source} may not {each}"
        yield warning(message, fix) if each.optional else error(message, fix)
    if not missing:
        yield ok(f"the source {source} has its permissions")


def _ask_all(access: ClusterAccess, permissions: Sequence[_Permission], timeout: float) -> dict[_Permission, bool]:
    """Return whether each permission is granted. Runs the reactor. Raises `ExchangeError` and `ConfigError`."""

    def review(reactor: Any) -> Awaitable[dict[_Permission, bool]]:
        client = APIClient(reactor, access, APIConnector(reactor, connect_timeout=timeout), timeout=timeout)
        return _review(client, permissions)

    return run_with_reactor(review)


async def _review(client: APIClient, permissions: Sequence[_Permission]) -> dict[_Permission, bool]:
    allowed = {}
    for permission in permissions:
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": permission.attributes()},
        }
        status = (await client.call("POST", _REVIEWS, body=body)).get("status")
        allowed[permission] = isinstance(status, dict) and status.get("allowed") is True
    return allowed
