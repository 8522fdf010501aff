from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from authd import __version__
from authd.cli.commands import COMMANDS
from authd.config.load import load_settings
from authd.partition_data import load_partitions
from tools.release import deb, man

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / "deploy" / "debian"
SCRIPTS = ("postinst", "prerm", "postrm", "rtupdate")


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts(name):
    """The maintainer scripts are valid for sh, stop at the first failure, and ignore unknown arguments."""
    text = (DEBIAN / name).read_text()
    assert "\nset -e\n" in text
    assert subprocess.run(["sh", "-n", DEBIAN / name], check=False).returncode == 0
    if name != "prerm":
        ended = subprocess.run(["sh", DEBIAN / name, "unknown"], capture_output=True, check=False)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


@pytest.mark.parametrize("name", ["authd.service", "authd.socket"])
def test_units(name):
    """The package's units use its own folder and user, and require settings that exist or existed once."""
    source = (ROOT / "systemd" / name).read_text()
    unit = deb.unit(source)
    assert "/opt/authd" not in unit
    assert "DynamicUser" not in unit
    for path in ("/etc/authd/config.yaml", "/var/lib/authd/last-good.yaml"):
        assert f"\nConditionPathExists=|{path}\n" in unit
    settings = {line for line in source.splitlines() if re.match(r"\w+=", line) and "/opt/authd" not in line}
    assert settings - {"DynamicUser=yes"} <= set(unit.splitlines())


def test_the_package_does_not_use_opt(tmp_path):
    """The units run programs from the package's own folder, which contains them."""
    unit = deb.unit((ROOT / "systemd" / "authd.service").read_text())
    assert "\nExecStart=/usr/lib/authd/bin/twistd " in unit
    assert "\nUser=authd\n" in unit
    deb.install_commands(tmp_path)
    for program in re.findall(rf"/{deb.PREFIX}/bin/\S+", unit):
        assert os.path.lexists(tmp_path / program.lstrip("/")), program


def test_the_example_settings():
    """The settings that the package ships load without a warning."""
    loaded = load_settings((DEBIAN / "config.yaml").read_bytes(), file="config.yaml", partitions=load_partitions())
    assert loaded.warnings == ()


def test_control():
    """The package depends on a Python version that it has packages for."""
    text = deb.control("amd64", 1)
    assert f"\nVersion: {__version__}\n" in text
    assert f"python3 (>= {deb.PYTHONS[0]}), python3 (<< 3.14)" in text


@pytest.fixture(scope="module")
def pages():
    """All manual pages. Runs each command's --help once."""
    return man.pages()


@pytest.mark.parametrize("page", ["authd.1", *(f"authd-{name}.1" for name in COMMANDS if name != "help")])
def test_manual_pages(page, pages):
    """Every command has a page with a synopsis that groff formats without warnings."""
    text = pages[page]
    assert ".SH SYNOPSIS" in text
    assert text.count(".SH EXIT STATUS") == 1
    if shutil.which("groff"):
        ended = subprocess.run(
            ["groff", "-Kutf8", "-man", "-Tutf8", "-ww", "-z"], input=text, text=True, capture_output=True, check=True
        )
        assert ended.stderr == ""


@pytest.mark.skipif("AUTHD_DEB" not in os.environ, reason="needs a built package in AUTHD_DEB: `make deb-test`")
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_install_upgrade_purge(suite):
    """A new user installs the package, sees a first login, upgrades and purges it."""
    subprocess.run([ROOT / "tools/release/try_deb.sh", os.environ["AUTHD_DEB"], suite], check=True)
