from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import botocore
import pytest

from authd import __version__

ROOT = Path(__file__).parents[2]
INFO = f"authd-{__version__}.dist-info"
#: The packages of the base installation, without those of the daemon.
BASE = ("botocore", "dateutil", "jmespath", "six.py", "urllib3", "yaml", "_yaml")
#: The folder of the packages installed for these tests.
SOURCES = Path(botocore.__file__).parents[1]
SETTINGS = "clusterID: c\nserver:\n  mapAccounts: ['111122223333']\n"


def run(*command, **environment):
    """Run a command outside of the source tree, with a minimal environment."""
    ended = subprocess.run(
        [str(part) for part in command],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    return next(folder.glob("authd-*.whl"))


def installed(wheel, folder):
    """Make a virtual environment with only the wheel, without an index. Returns its site-packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], cwd="/", check=True)
    return next(folder.glob("lib/python*/site-packages"))


@pytest.fixture(scope="module")
def base(wheel, tmp_path_factory):
    """The commands of a base installation, which has no Twisted."""
    folder = tmp_path_factory.mktemp("base")
    site = installed(wheel, folder)
    for name in BASE:
        (site / name).symlink_to(SOURCES / name)
    return folder / "bin"


@pytest.fixture(scope="module")
def full(wheel, tmp_path_factory):
    """The commands of an installation with this environment's packages after its own."""
    folder = tmp_path_factory.mktemp("full")
    (installed(wheel, folder) / "packages.pth").write_text(f"{SOURCES}\n")
    return folder / "bin"


def test_exact_content(wheel):
    """The wheel has the package, the plugin and the token script, and no tests, caches or `twisted/__init__.py`."""
    package = (
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "authd").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    metadata = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    expected = {
        *package,
        "twisted/plugins/authd_plugin.py",
        f"authd-{__version__}.data/scripts/authd-token",
        *(f"{INFO}/{name}" for name in metadata),
    }
    with zipfile.ZipFile(wheel) as content:
        assert set(content.namelist()) == expected


def test_metadata(wheel):
    """The base installation requires only botocore and PyYAML. Twisted comes with `daemon`."""
    with zipfile.ZipFile(wheel) as content:
        lines = content.read(f"{INFO}/METADATA").decode().splitlines()
        points = content.read(f"{INFO}/entry_points.txt").decode()
    needs = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    always = [need for need in needs if "extra ==" not in need]
    assert [need.partition(">")[0] for need in always] == ["botocore", "pyyaml"]
    assert any(need.startswith("twisted[tls]") and "extra == 'daemon'" in need for need in needs)
    assert "authd = authd.cli.main:main" in points


def test_no_twisted_in_the_base_installation(base):
    """The base installation of these tests has no Twisted."""
    status, _, err = run(base / "python", "-c", "import twisted.internet")
    assert status == 1
    assert "ModuleNotFoundError" in err


def test_the_command_line_of_the_base_installation(base, tmp_path):
    """`authd --help`, `check` and `explain` work without Twisted. The daemon's commands name the missing extra."""
    file = tmp_path / "c.yaml"
    file.write_text(SETTINGS)
    status, out, _ = run(base / "authd", "--help")
    assert (status, out.splitlines()[0]) == (0, "usage: authd [-h] [--version] COMMAND ...")
    assert run(base / "authd", "--version") == (0, f"authd {__version__}\n", "")
    assert run(base / "authd", "check", file)[0] == 0
    assert run(base / "authd", "explain", "-c", file, "arn:aws:iam::111122223333:user/a")[0] == 0
    for command in ("init", "verify", "demo"):
        status, _, err = run(base / "authd", command)
        assert (status, err.count("\n")) == (2, 1)
        assert "install authd with the extra `daemon`" in err


@pytest.mark.parametrize("command", [("authd-token",), ("authd", "token")])
@pytest.mark.parametrize("options", [(), ("--profile", "p")])
def test_tokens_of_the_base_installation(base, tmp_path, command, options):
    """Tokens are minted from an installed wheel, with the fast path and with botocore."""
    credentials = tmp_path / "credentials"
    credentials.write_text("[p]\naws_access_key_id = AKIAPROFILE000000000\naws_secret_access_key = s\n")
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00000", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1",
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
    }  # fmt: skip
    name, *rest = command
    status, out, err = run(base / name, *rest, "-i", "c", *options, **environment)
    assert (status, err) == (0, "")
    assert json.loads(out)["status"]["token"].startswith("k8s-aws-v1.")


def test_the_plugin_of_the_full_installation(full):
    """Twisted finds the daemon's plugin in an installed wheel."""
    code = "from twisted.scripts.twistd import run; run()"
    status, out, _ = run(full / "python", "-c", code, "--help", PYTHONSAFEPATH="1")
    assert status == 0
    assert "    authd " in out
    status, out, _ = run(full / "python", "-c", code, "authd", "--version")
    assert (status, out) == (0, f"authd {__version__}\n")


def test_init_of_the_full_installation(full, tmp_path):
    """`authd init` works from an installed wheel."""
    paths = ("--state-dir", tmp_path / "s", "--generate-kubeconfig", tmp_path / "k.yaml")
    status, _, err = run(full / "authd", "init", "-i", "c", *paths)
    assert (status, err) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k.yaml", "s"]
