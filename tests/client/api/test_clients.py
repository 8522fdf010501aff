"""The examples of docs/library.md, with real clients and a TLS server that verifies the tokens."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import yaml

from authd.client import KubernetesAuth
from tests.client.rig.api_server import APIServer, run_api_server
from tests.client.rig.samples import KEY_ID, SECRET

CLUSTER = "my-cluster"
DOCUMENT = (Path(__file__).parents[3] / "docs" / "library.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"^### ([^\n]+)\n.*?^```python\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE))


@pytest.fixture
def api(tmp_path: Path, environ: dict[str, str]) -> Iterator[APIServer]:
    """Run the server, and set static credentials, a kubeconfig and authd-token on PATH."""
    with mock.patch.dict(os.environ), run_api_server(tmp_path, CLUSTER, {KEY_ID: SECRET}) as server:
        for name in list(os.environ):
            if name.startswith(("AWS_", "KUBERNETES_")):
                del os.environ[name]
        os.environ.update(environ, AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION="eu-west-1")
        os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        os.environ["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        _write_kubeconfig(tmp_path / "kubeconfig", server)
        yield server


def _write_kubeconfig(path: Path, server: APIServer) -> None:
    data = base64.b64encode(server.ca_file.read_bytes()).decode()
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1beta1", "command": "authd-token",
        "args": ["--cluster-id", CLUSTER], "interactiveMode": "Never",
    }  # fmt: skip
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "me",
                "clusters": [{"name": "c", "cluster": {"server": server.url, "certificate-authority-data": data}}],
                "users": [{"name": "u", "user": {"exec": plugin}}],
                "contexts": [{"name": "me", "context": {"cluster": "c", "user": "u", "namespace": "default"}}],
            }
        )
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_examples(api: APIServer, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each example runs as written, and the server accepts its token."""
    code = EXAMPLES[name].replace("https://prod.example.com", api.url).replace("ca.pem", str(api.ca_file))
    exec(compile(code, name, "exec"), {"__name__": "__main__"})
    assert set(api.accepted) == {KEY_ID}
    assert "default" in capsys.readouterr().out


def test_all_clients_have_an_example() -> None:
    """There is an example for each client."""
    assert set(EXAMPLES) >= {"httpx", "requests", "kubernetes", "kubernetes_asyncio", "kr8s", "lightkube"}


def test_renewal(api: APIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is reused until it is about to expire, and `renew` gets another one."""
    from authd.client.api import auth as module

    auth = KubernetesAuth(CLUSTER)
    first = auth.token()
    assert auth.token() is first
    monkeypatch.setattr(module, "RENEWAL_SECONDS", 14 * 60 + 1)
    assert auth.token() is not first
    monkeypatch.undo()
    second = auth.token()
    auth.renew()
    assert auth.token() is not second
    assert second.value not in repr(auth)


def test_threads(api: APIServer) -> None:
    """Many threads share one token."""
    auth, found = KubernetesAuth(CLUSTER), set[str]()
    threads = [threading.Thread(target=lambda: found.add(auth.token().value)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1


@pytest.mark.filterwarnings("ignore")
def test_hooks(api: APIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Kubernetes clients call the hook at every request, so that they get a renewed token."""
    import kubernetes.client
    import kubernetes_asyncio.client

    auth = KubernetesAuth(CLUSTER)
    configuration = kubernetes.client.Configuration(host=api.url)
    configuration.ssl_ca_cert = str(api.ca_file)
    auth.attach(configuration)
    with kubernetes.client.ApiClient(configuration) as client:
        core = kubernetes.client.CoreV1Api(client)
        core.list_namespace()
        api.refused.add(auth.token().value)
        auth.renew()
        monkeypatch.setenv("AWS_REGION", "us-east-1")  # another host, so that the token differs within the same second
        core.list_namespace()
    assert len(set(api.tokens)) == 2

    async def use() -> None:
        configuration = kubernetes_asyncio.client.Configuration(host=api.url)
        configuration.ssl_ca_cert = str(api.ca_file)
        await auth.attach_async(configuration)
        async with kubernetes_asyncio.client.ApiClient(configuration) as client:
            core = kubernetes_asyncio.client.CoreV1Api(client)
            await core.list_namespace()
            api.refused.add(auth.token().value)
            auth.renew()
            monkeypatch.setenv("AWS_REGION", "eu-north-1")
            await core.list_namespace()

    asyncio.run(use())
    assert len(set(api.tokens)) == 3
