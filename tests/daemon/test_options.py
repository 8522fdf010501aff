"""The command line of `twistd authd`."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.application.service import IService, IServiceMaker
from twisted.plugin import getPlugins

from authd import __version__
from authd.daemon.options import Options
from authd.daemon.tap import makeService


def parsed(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(arguments)
    return options


def test_options_override_settings_by_their_path() -> None:
    """Each option given replaces one setting; what isn't given replaces none."""
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


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--log-format", "xml"], ["--port"], ["word"]])
def test_a_usage_error_ends_with_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An invalid command line ends the process with status 2 and a sentence, before anything starts."""
    with pytest.raises(SystemExit) as ended:
        parsed(*arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("twistd authd: ")


def test_the_version_is_authds(capsys: pytest.CaptureFixture[str]) -> None:
    """--version tells authd's version, not Twisted's."""
    with pytest.raises(SystemExit) as ended:
        parsed("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"authd {__version__}\n"


def test_the_plugin_is_found() -> None:
    """One service maker goes by the name of authd, with these options."""
    (maker,) = [plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == "authd"]
    assert maker.options is Options


def test_making_the_service_touches_nothing(tmp_path: Path) -> None:
    """A service is only constructed: files are read, and ports opened, when it starts."""
    service = makeService(parsed("--config", str(tmp_path / "missing.yaml"), "--state-dir", str(tmp_path / "state")))
    assert IService.providedBy(service)
    assert list(tmp_path.iterdir()) == []
