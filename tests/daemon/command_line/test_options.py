"""The command line of `twistd authd`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from twisted.application.service import IService, IServiceMaker
from twisted.plugin import getPlugins

from authd import __version__
from authd.daemon.command_line.options import Options
from authd.daemon.tap import makeService


def parsed(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(arguments)
    return options


def test_options_override_settings_by_their_path() -> None:
    """Each given option overrides one setting."""
    assert parsed().overrides == {}
    given = parsed(
        "--cluster-id", "prod", "--address", "::1", "--port", "0", "--state-dir", "/s", "--generate-kubeconfig", "/k",
        "--partition", "aws-cn", "--backend-mode", "MountedFile", "--kubeconfig-pregenerated",
    )  # fmt: skip
    assert given.overrides == {
        "clusterID": "prod",
        "server.address": "::1",
        "server.port": "0",
        "server.stateDir": "/s",
        "server.generateKubeconfig": "/k",
        "server.partition": "aws-cn",
        "server.backendMode": "MountedFile",
        "server.kubeconfigPregenerated": "true",
    }


@pytest.mark.parametrize(
    "arguments",
    [["--nonsense"], ["--log-format", "xml"], ["--port"], ["word"], ["-x"], ["-port", "1"], ["server", "word"],
     ["--kubeconfig-pregenerated=maybe"]],
)  # fmt: skip
def test_a_usage_error_ends_with_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An invalid command line exits with status 2 and a message."""
    with pytest.raises(SystemExit) as ended:
        parsed(*arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("authd: ")


def test_the_version_is_authds(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints authd's version, not Twisted's."""
    with pytest.raises(SystemExit) as ended:
        parsed("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"authd {__version__}\n"


def test_the_plugin_is_found() -> None:
    """The plugin registers one service maker named authd, with these options."""
    (maker,) = [plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == "authd"]
    assert maker.options is Options


def test_making_the_service_does_no_io(tmp_path: Path) -> None:
    """Making the service does no I/O. It reads files and opens ports when it is started."""
    service = makeService(parsed("--config", str(tmp_path / "missing.yaml"), "--state-dir", str(tmp_path / "state")))
    assert IService.providedBy(service)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "setting", "value"),
    [
        (["server", "--port=1"], "server.port", "1"),
        (["--port=1", "server"], "server.port", "1"),
        (["--kubeconfig-pregenerated=true"], "server.kubeconfigPregenerated", "true"),
        (["--kubeconfig-pregenerated=T"], "server.kubeconfigPregenerated", "true"),
        (["--kubeconfig-pregenerated=false"], "server.kubeconfigPregenerated", "false"),
        (["--kubeconfig-pregenerated", "--port", "1"], "server.port", "1"),
        (["-ic1"], "clusterID", "c1"),
        (["-i=c1"], "clusterID", "c1"),
        (["-i", "c1", "-v", "debug", "-l", "json"], "clusterID", "c1"),
        (["--backend-mode=MountedFile,CRD", "--backend-mode", "EKSConfigMap"], "server.backendMode",
         "MountedFile,CRD,EKSConfigMap"),
        (["--ec2-describeInstances-qps=7"], "server.ec2DescribeInstancesQps", "7"),
        (["--master=https://m", "--kubeconfig=/k"], "server.master", "https://m"),
        (["--address=", "--port=1"], "server.address", ""),
    ],
)  # fmt: skip
def test_flags_are_spelled_as_in_aws_iam_authenticator(arguments: list[str], setting: str, value: str) -> None:
    """Flags are accepted in all spellings of aws-iam-authenticator."""
    assert parsed(*arguments).overrides[setting] == value


def test_flags_without_effect() -> None:
    """Flags without effect are reported with their values."""
    arguments = [
        "--log-verbosity=loud", "--feature-gates", "A=true", "--feature-gates=B=false", "--kubeconfig=/k", "--port=1",
        "--kubeconfig-pregenerated", "true",
    ]  # fmt: skip
    assert parsed(*arguments).without_effect(["MountedFile"]) == [
        "--feature-gates=A=true,B=false", "--log-verbosity=loud", "--kubeconfig=/k", "true",
    ]  # fmt: skip
    assert parsed("--kubeconfig=/k").without_effect(["CRD"]) == []


def test_the_cluster_in_the_environment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The environment variable sets the cluster ID unless a flag does. An invalid one is refused."""
    monkeypatch.setenv("KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID", "c1")
    assert parsed().overrides == {"clusterID": "c1"}
    assert parsed("-i", "c2").overrides == {"clusterID": "c2"}
    monkeypatch.setenv("KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID", " ")
    with pytest.raises(SystemExit):
        parsed()
    assert "KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID must be" in capsys.readouterr().err


def test_the_settings_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --config the default file is read, or none if the cluster ID is set otherwise."""
    assert str(parsed().settings_file) == "/etc/authd/config.yaml"
    assert parsed("--config=/f").settings_file == Path("/f")
    assert parsed("-i", "c").settings_file is None
    monkeypatch.setattr(sys, "argv", ["/usr/bin/aws-iam-authenticator"])
    assert parsed().settings_file is None
    assert parsed().default_settings == {
        "server.stateDir": "/var/aws-iam-authenticator",
        "server.generateKubeconfig": "/etc/kubernetes/aws-iam-authenticator/kubeconfig.yaml",
    }


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """--help shows every flag."""
    with pytest.raises(SystemExit) as ended:
        parsed("--help")
    assert ended.value.code == 0
    assert "--ec2-describeInstances-qps=" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("verbosity", "level"),
    [("debug", "debug"), ("INFO", "info"), ("warning", "warn"), ("fatal", "warn"), ("2", "info"), ("5", "debug"), ("x", "info")],
)  # fmt: skip
def test_the_log_level(verbosity: str, level: str) -> None:
    """aws-iam-authenticator's levels set the log's level."""
    assert parsed("-v", verbosity).log_level == level
    assert parsed().log_level == "info"
