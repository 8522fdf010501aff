"""A real API server that serves custom resources, beside the server under measurement."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import yaml

from authd.state.kubeconfig import webhook_kubeconfig
from authd.state.x509 import new_ca
from tests.e2e.rig.assets import find_assets
from tests.e2e.rig.control_plane import ControlPlane
from tests.e2e.rig.identities import IDENTITIES
from tests.integration.rig.polling import wait_until

CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_MANIFEST = Path(__file__).parents[2] / "deploy" / "kubernetes" / "crd.yaml"
_SECONDS = 120.0


@contextmanager
def running_cluster() -> Iterator[ControlPlane]:
    """Run an API server with the definition of IAMIdentityMapping. Its webhook is not used."""
    assets = find_assets()
    if assets is None:
        raise SystemExit("kube-apiserver, etcd or kubectl is missing: run `make e2e-assets`")
    with tempfile.TemporaryDirectory(prefix="authd-cluster-") as name:
        webhook = Path(name) / "webhook.yaml"
        authority_pem = new_ca("nobody", datetime.now(UTC)).certificate_pem
        webhook.write_bytes(webhook_kubeconfig(host="localhost", port=1, authority_pem=authority_pem))
        with ControlPlane(Path(name), assets, webhook, "v1") as cluster:
            cluster.request("POST", _DEFINITIONS, yaml.safe_load(_MANIFEST.read_text("utf-8")))
            wait_until(
                lambda: cluster.request("GET", IDENTITIES)[0] == 200, "the custom resource to be served", _SECONDS
            )
            yield cluster
