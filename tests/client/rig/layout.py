"""Installs the command into the layouts of installers, without an installer."""

from __future__ import annotations

import compileall
import shutil
import sys
from pathlib import Path

import yaml

import authd
import authd.client

SCRIPT = Path(authd.client.__file__).with_name("authd-token")
VERSIONED = f"python{sys.version_info.major}.{sys.version_info.minor}"
BASE_PYTHON = str(Path(sys._base_executable).resolve())


def install(root: Path, packages: str, *, shebang: str | None, dependencies: bool = True) -> Path:
    """Install the compiled client below `root` as an installer does, and return the path of the command."""
    library = root / packages
    source = Path(authd.__file__).parent
    (library / "authd").mkdir(parents=True)
    shutil.copy(source / "__init__.py", library / "authd")
    shutil.copytree(source / "client", library / "authd" / "client", ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(library, quiet=1)
    if dependencies:
        (library / "dependencies.pth").write_text(str(Path(yaml.__file__).parents[1]))
    command = root / "bin" / "authd-token"
    command.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(SCRIPT, command)
    command.chmod(0o755)
    if shebang is not None:
        (command.parent / "authd").write_text(f"#!{shebang}\nimport sys\n")
    return command
