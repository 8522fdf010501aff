from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from authd.config.settings import Settings
from authd.daemon.listener import MAX_CONNECTIONS
from authd.daemon.tap import Options

FOLDER = Path(__file__).parents[2] / "systemd"
SERVICE = (FOLDER / "authd.service").read_text("utf-8")
SOCKET = (FOLDER / "authd.socket").read_text("utf-8")
#: On the scale of systemd-analyze, from 0 to 10.
MOST_EXPOSED = 1.5

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here: apt install systemd"
)


def values(unit, name):
    """Return every value of a setting in a unit."""
    return re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)


@pytest.fixture
def units(tmp_path):
    """The units with this interpreter's environment in place of /opt/authd."""
    folder = Path(sys.executable).parent
    (tmp_path / "authd.service").write_text(SERVICE.replace("/opt/authd/bin", str(folder)))
    (tmp_path / "authd.socket").write_text(SOCKET)
    return tmp_path


def analyze(units, *arguments):
    command = ["systemd-analyze", "--no-pager", *arguments]
    return subprocess.run(command, cwd=units, capture_output=True, text=True, timeout=60, check=False)


@needs_systemd
def test_verify(units):
    """The units pass `systemd-analyze verify`."""
    ended = analyze(units, "verify", "./authd.service", "./authd.socket")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@needs_systemd
def test_verify_finds_faults(units):
    """`systemd-analyze verify` reports an error in a unit."""
    (units / "authd.service").write_text(SERVICE.replace("ProtectClock=", "ProtectClok="))
    assert "ProtectClok" in analyze(units, "verify", "./authd.service").stderr


@needs_systemd
def test_exposure(units):
    """The sandbox's exposure is at most 1.5."""
    out = analyze(units, "security", "--offline=true", "./authd.service").stdout
    found = re.search(r"Overall exposure level for authd\.service: ([0-9.]+)", out)
    assert found, out
    assert float(found[1]) <= MOST_EXPOSED


@needs_systemd
def test_the_remaining_exposure_is_explained(units):
    """The unit's comments name every remaining exposure with its reason."""
    out = analyze(units, "security", "--offline=true", "./authd.service").stdout
    still_open = {name for line in re.findall(r"^✗ (\S+)", out, re.MULTILINE) for name in re.findall(r"(\w+)=", line)}
    reasons = SERVICE[SERVICE.index("still counts") :]
    assert "PrivateNetwork" in still_open
    assert {name for name in still_open if f"{name}=" not in reasons} == set()


def test_the_command():
    """The unit starts the daemon by an absolute path, in a directory that it can't write, with existing options."""
    (command,) = values(SERVICE, "ExecStart")
    program, *arguments = command.split()
    assert program.startswith("/")
    own = arguments[arguments.index("authd") + 1 :]
    options = Options()
    options.parseOptions(own)
    assert options["config"] == "/etc/authd/config.yaml"
    assert options.overrides == {"server.kubeconfigPregenerated": "true"}
    assert {"--nodaemon", "--pidfile="} <= set(arguments)
    assert values(SERVICE, "WorkingDirectory") == ["/"]
    assert values(SERVICE, "Environment") == ["PYTHONSAFEPATH=1"]
    assert values(SERVICE, "UMask") == ["0077"]
    assert values(SERVICE, "LimitCORE") == ["0"]


def test_no_memory_deny_write_execute():
    """The unit lacks MemoryDenyWriteExecute, which would break pyOpenSSL's callbacks at the first call to STS."""
    assert values(SERVICE, "MemoryDenyWriteExecute") == []


def test_the_journal_drops_nothing():
    """The unit sets its own rate limit. 0 would mean journald's default, which drops lines in a flood."""
    (seconds,), (lines,) = values(SERVICE, "LogRateLimitIntervalSec"), values(SERVICE, "LogRateLimitBurst")
    assert int(lines) / int(seconds) > 100_000


def test_the_socket():
    """Systemd holds the kubeconfig's port, with a backlog for the connections of a restart."""
    settings = Settings(cluster_id="c")
    assert values(SOCKET, "ListenStream") == [f"{settings.address}:{settings.port}"]
    assert values(SOCKET, "Backlog") == [str(MAX_CONNECTIONS)]
    assert values(SERVICE, "Requires") == ["authd.socket"]


def test_state():
    """The unit's state directory is the default of the settings."""
    assert f"/var/lib/{values(SERVICE, 'StateDirectory')[0]}" == Settings(cluster_id="c").state_dir
