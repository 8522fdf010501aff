"""The installed command, in the layouts of all installers, without an installer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import authd
from tests.client.rig.layout import BASE_PYTHON, SCRIPT, VERSIONED, install

_KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}


@pytest.fixture
def run(environ: dict[str, str], tmp_path: Path) -> Callable[..., str]:
    """Run a command in an environment without variables for Python, and return its output."""

    def start(command: Path | str, *arguments: str, path: str = "/usr/bin:/bin", cwd: Path = tmp_path) -> str:
        done = subprocess.run(
            [str(command), *arguments], env={**environ, **_KEYS, "PATH": path}, cwd=cwd, text=True, capture_output=True,
            timeout=60, check=False,
        )  # fmt: skip
        return done.stdout if done.returncode == 0 else f"{done.returncode}: {done.stderr}"

    return start


def _works(run: Callable[..., str], command: Path | str, **more: object) -> None:
    assert run(command, "-i", "prod", "--token-only", **more).startswith("k8s-aws-v1.")
    # A cluster ID with a space is signed by botocore, so this call needs the installed packages.
    assert run(command, "-i", "two words", "--token-only", **more).startswith("k8s-aws-v1.")


@pytest.mark.parametrize("name", ["venv", "with space", "sürprise", 'quo\'te "$HOME"'])
def test_virtual_environment(run: Callable[..., str], tmp_path: Path, name: str) -> None:
    """It works in a virtual environment with any path."""
    root = tmp_path / name
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
    shebang = f"{root}/bin/python3" if name == "venv" else "/bin/sh"
    command = install(root, f"lib/{VERSIONED}/site-packages", shebang=shebang)
    _works(run, command)
    command.with_name("authd").unlink()
    _works(run, command)


def test_pipx_link(run: Callable[..., str], tmp_path: Path) -> None:
    """It works through absolute and relative links into a virtual environment, as pipx creates them."""
    root = tmp_path / "venvs" / "authd"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
    command = install(root, f"lib/{VERSIONED}/site-packages", shebang=f"{root}/bin/python3")
    links = tmp_path / "links"
    links.mkdir()
    (links / "authd-token").symlink_to(command)
    (links / "again").symlink_to("authd-token")
    for link in ("authd-token", "again"):
        _works(run, links / link)
        _works(run, link, path=f"{links}:/usr/bin:/bin")
        _works(run, f"./{link}", cwd=links)


@pytest.mark.parametrize(
    "packages", [f"lib/{VERSIONED}/site-packages", f"lib/{VERSIONED}/dist-packages", "lib/python3/dist-packages"]
)
def test_system_prefix(run: Callable[..., str], tmp_path: Path, packages: str) -> None:
    """It works below a prefix without a virtual environment: pip --user, /usr/local and distribution packages."""
    _works(run, install(tmp_path / "usr", packages, shebang=BASE_PYTHON))


def test_interpreter_options(run: Callable[..., str], tmp_path: Path) -> None:
    """Options in the first line of the installed command are dropped."""
    command = install(tmp_path, f"lib/{VERSIONED}/site-packages", shebang=f" {BASE_PYTHON} -sP")
    _works(run, command)


def test_editable_installation(run: Callable[..., str], tmp_path: Path) -> None:
    """It works in an editable installation, whose package is found only by a .pth file."""
    root = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
    command = install(root, "elsewhere", shebang=None, dependencies=False)
    lines = f"{root}/elsewhere\n{Path(yaml.__file__).parents[1]}\n"
    (root / "lib" / VERSIONED / "site-packages" / "_authd.pth").write_text(lines)
    _works(run, command)


def test_missing_package(run: Callable[..., str], tmp_path: Path) -> None:
    """If the package is missing, the error names the interpreter, in one line."""
    command = tmp_path / "bin" / "authd-token"
    command.parent.mkdir()
    shutil.copy(SCRIPT, command)
    (tmp_path / "bin" / "python3").symlink_to(BASE_PYTHON)
    output = run(command, "-i", "prod")
    assert output.startswith("1: authd-token: the package authd is not installed for ")
    assert len(output.splitlines()) == 1


def test_working_directory_and_python_variables(
    run: Callable[..., str], environ: dict[str, str], tmp_path: Path
) -> None:
    """Modules in the working directory and PYTHON* variables have no effect."""
    command = install(tmp_path / "usr", f"lib/{VERSIONED}/site-packages", shebang=BASE_PYTHON)
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for name in ("authd", "time", "site", "re", "botocore", "sitecustomize"):
        (hostile / f"{name}.py").write_text("print('hostile')\n")
    environ.update(PYTHONPATH=str(hostile), PYTHONSTARTUP=str(hostile / "time.py"), PYTHONHOME=str(hostile))
    _works(run, command, cwd=hostile)


def test_compiled_modules(run: Callable[..., str], tmp_path: Path) -> None:
    """The interpreter uses the installer's bytecode, and writes nothing into the installation."""
    command = install(tmp_path / "usr", f"lib/{VERSIONED}/site-packages", shebang=BASE_PYTHON)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "usr").rglob("*")}
    _works(run, command)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "usr").rglob("*")} == before


def test_unchanged_arguments(run: Callable[..., str], tmp_path: Path) -> None:
    """The shell script passes arguments on without splitting, expanding or losing them."""
    command = install(tmp_path / "usr", f"lib/{VERSIONED}/site-packages", shebang=BASE_PYTHON)
    assert "'$(id) *'" in run(command, "-i", "x", "-r", "$(id) *")
    assert run(command, "--version") == f"authd-token {authd.__version__}\n"
    assert "cluster id" in run(command, "-i", "")


def test_posix_shells() -> None:
    """The script is executable, and every POSIX shell can parse it."""
    assert os.access(SCRIPT, os.X_OK)
    assert SCRIPT.read_text().startswith("#!/bin/sh\n")
    for shell in ("sh", "dash", "bash"):
        if shutil.which(shell):
            subprocess.run([shell, "-n", str(SCRIPT)], check=True)
