"""Thousands of custom resources, written to etcd directly, in seconds instead of minutes."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any

from tests.e2e.rig.control_plane import ControlPlane
from tests.integration.rig.polling import wait_until

IDENTITIES = "/apis/iamauthenticator.k8s.aws/v1alpha1/iamidentitymappings"
_IN_ETCD = "/registry/iamauthenticator.k8s.aws/iamidentitymappings"
_SECONDS = 120.0


def identity(number: int, username: str) -> dict[str, Any]:
    """Return a custom resource with the members that the API server adds when one is created."""
    fields = {"f:spec": {".": {}, "f:arn": {}, "f:groups": {}, "f:username": {}}}
    manager = {
        "apiVersion": "iamauthenticator.k8s.aws/v1alpha1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        "manager": "kubectl-create",
        "operation": "Update",
        "time": "2026-11-01T00:00:00Z",
    }
    return {
        "apiVersion": "iamauthenticator.k8s.aws/v1alpha1",
        "kind": "IAMIdentityMapping",
        "metadata": {
            "creationTimestamp": "2026-11-01T00:00:00Z",
            "generation": 1,
            "managedFields": [manager],
            "name": f"team-{number:05}",
            "uid": f"5d2a9f0e-0000-4000-8000-{number:012}",
        },
        "spec": {
            "arn": f"arn:aws:iam::111122223333:role/Team{number:05}",
            "groups": [f"team-{number:05}", "developers"],
            "username": username,
        },
    }


def create_identities(cluster: ControlPlane, count: int) -> None:
    """Create custom resources with distinct revisions, and return when the API server lists all of them."""
    connection = http.client.HTTPConnection(cluster.etcd_address, timeout=_SECONDS)
    for number in range(count):
        content = identity(number, f"team-{number:05}:{{{{SessionName}}}}")
        key = f"{_IN_ETCD}/{content['metadata']['name']}"
        body = {"key": _encoded(key), "value": _encoded(json.dumps(content))}
        connection.request("POST", "/v3/kv/put", json.dumps(body))
        response = connection.getresponse()
        answer = response.read()
        assert response.status == http.client.OK, answer
    connection.close()
    wait_until(lambda: _listed(cluster) == count, "all custom resources to be listed", seconds=_SECONDS)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _listed(cluster: ControlPlane) -> int:
    _, page = cluster.request("GET", f"{IDENTITIES}?limit=1")
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))
