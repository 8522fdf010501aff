import json
import subprocess
import sys

import pytest

from authd.cli.mappings import exec_plugin
from authd.cli.shared.errors import CommandError
from authd.kubernetes.kubeconfig import ExecPlugin

#: A plugin that returns what it was given as its token.
SHOW = "import json, os; print(json.dumps({'status': {'token': os.environ['KUBERNETES_EXEC_INFO']}}))"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("sh", "-c", "exit 3"), "plugin sh failed with exit status 3: run it by hand"),
        (
            ("/no/such/plugin",),
            r"plugin /no/such/plugin can't be started \(No such file or directory\): run it by hand",
        ),
        (("sh", "-c", "echo {}"), "plugin sh printed no ExecCredential with a token: run it by hand"),
    ],
)
def test_a_plugin_that_fails(command, message):
    """If the plugin fails, the error has the reason and the next step."""
    with pytest.raises(CommandError, match=message):
        exec_plugin.run_plugin(ExecPlugin(command=command, environment={}, api_version=""))


def test_the_cluster_for_a_plugin():
    """A plugin gets the cluster that is described for it in KUBERNETES_EXEC_INFO."""
    command = (sys.executable, "-c", SHOW)
    plugin = ExecPlugin(command, {}, "client.authentication.k8s.io/v1beta1", {"config": {"clusterID": "c"}})
    assert json.loads(exec_plugin.run_plugin(plugin)) == {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "kind": "ExecCredential",
        "spec": {"cluster": {"config": {"clusterID": "c"}}, "interactive": False},
    }
    assert "cluster" not in json.loads(exec_plugin.run_plugin(plugin._replace(cluster=None)))["spec"]


def test_a_plugin_that_does_not_end(monkeypatch):
    """A plugin that does not end in time is an error with the time."""

    def run(command, **_):
        raise subprocess.TimeoutExpired(command, 120)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(CommandError, match="plugin sh did not end within 120 seconds"):
        exec_plugin.run_plugin(ExecPlugin(command=("sh",), environment={}, api_version=""))
