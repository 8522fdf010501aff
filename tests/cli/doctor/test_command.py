from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from authd.cli.main import main
from tests.cli.doctor.conftest import write_kubeconfig
from tests.cli.shapes import parsed
from tests.integration.rig.ports import free_port


def test_unusable_settings(tmp_path, capsys):
    """If the settings can't be used, the report has only their findings, and the exit status is 2."""
    config = tmp_path / "config.yaml"
    assert main(["doctor", "-c", str(config), "--state-dir", str(tmp_path), "-o", "json"]) == 2
    report = parsed("doctor", capsys.readouterr().out)
    assert {finding["group"] for finding in report["findings"]} == {"settings"}
    assert report["status"] == 2


@pytest.mark.parametrize("arguments", [["--timeout", "0"], ["--timeout", "999"], ["--region", "nowhere"]])
def test_a_wrong_option(arguments, capsys):
    """An unusable option is an error with the exit status 2."""
    assert main(["doctor", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"authd: {arguments[0]} must be ")


@pytest.mark.parametrize(
    ("allowed", "level", "says"),
    [
        (True, "ok", "the source EKSConfigMap has its permissions"),
        (False, "error", "the source EKSConfigMap may not get configmaps in kube-system"),
    ],
)
def test_permissions(initialised, serve, tmp_path, allowed, level, says):
    """The API server is asked for the permissions of each source that needs it."""
    status = json.dumps({"kind": "SelfSubjectAccessReview", "status": {"allowed": allowed}}).encode()
    server = serve(lambda _path: (201, {"Content-Type": "application/json"}, status))
    api = tmp_path / "api.yaml"
    kubeconfig = initialised.kubeconfig.read_text()
    write_kubeconfig(initialised, server.ca_pem, server.port)
    api.write_text(initialised.kubeconfig.read_text().replace("/authenticate", ""))
    initialised.kubeconfig.write_text(kubeconfig)
    findings = examine(initialised, {"backendMode": ["EKSConfigMap", "CRD"], "kubeconfig": str(api)})
    permissions = [finding for finding in findings if finding["group"] == "permissions"]
    assert permissions[0]["level"] == level
    assert says in permissions[0]["message"]
    assert (permissions[0]["fix"] == "kubectl apply -f deploy/kubernetes/rbac-eks-configmap.yaml") is not allowed
    assert len(permissions) == (2 if allowed else 8)


def test_places_of_the_command_line(initialised, tmp_path):
    """The state directory and the kubeconfig can be given as options, as for the daemon."""
    settings = yaml.safe_load(initialised.config.read_text())
    places = {"--state-dir": settings["server"].pop("stateDir"), "--generate-kubeconfig": str(initialised.kubeconfig)}
    settings["server"].pop("generateKubeconfig")
    initialised.config.write_text(yaml.safe_dump(settings))
    options = [word for option in places.items() for word in option]
    findings = examine(initialised, {}, *options)
    certificate = [finding["message"] for finding in findings if finding["group"] == "certificate"]
    assert certificate[0].startswith(f"{places['--state-dir']}/cert.pem is valid for")
    assert certificate[1] == f"{initialised.kubeconfig} trusts the certificate"


def test_an_unreachable_api_server(initialised, tmp_path):
    """An API server that can't be called is an error."""
    findings = examine(initialised, {"backendMode": ["CRD"], "kubeconfig": str(initialised.kubeconfig)})
    assert "the Kubernetes API can't be called" in findings[-1]["message"]


def examine(installation, server, *options):
    """Run the command in a separate process, because the reactor can't be restarted."""
    settings = yaml.safe_load(installation.config.read_text())
    sts = {"endpoints": [{"host": "sts.us-east-1.amazonaws.com", "connect": f"127.0.0.1:{free_port()}"}]}
    settings["server"] |= {"healthPort": free_port(), "sts": sts, **server}
    installation.config.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "authd.cli.main", "doctor", "-c", str(installation.config), "-o", "json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    return parsed("doctor", done.stdout)["findings"]
