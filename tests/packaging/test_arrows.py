"""The import rules that import-linter can't express: parts of Twisted, the reactor, the standard library."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CORE = {path.relative_to(ROOT).as_posix() for path in (ROOT / "authd" / "core").rglob("*.py")}
CONFIG = {path.relative_to(ROOT).as_posix() for path in (ROOT / "authd" / "config").rglob("*.py")}
DECIDING = {path.relative_to(ROOT).as_posix() for path in (ROOT / "authd" / "authentication").rglob("*.py")} | {
    "authd/sources/lockout_guard.py"
}
ALL = {path.relative_to(ROOT).as_posix() for path in (ROOT / "authd").rglob("*.py")}


def imported(source):
    """Return the full names of all imports: `a.b` and `a.b.c` for `from a.b import c`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_of(file):
    return set(imported((ROOT / file).read_text("utf-8")))


def begins(name, allowed):
    return any(name == each or name.startswith(f"{each}.") for each in allowed)


def test_how_imports_are_found():
    """Imports are found at every place and in every form."""
    source = "import a.b\ndef f():\n    from c.d import e as g\nif x:\n    import h as i, j\n"
    assert set(imported(source)) == {"a.b", "c.d", "c.d.e", "h", "j"}


@pytest.mark.parametrize("file", sorted(CORE | CONFIG))
def test_pure_rooms(file):
    """Core imports only the standard library and itself. Config also imports PyYAML and core."""
    allowed = {*sys.stdlib_module_names, "authd.core"}
    if file in CONFIG:
        allowed |= {"authd.config", "yaml"}
    assert {name for name in imports_of(file) if not begins(name, allowed)} == set()


@pytest.mark.parametrize("file", sorted(DECIDING))
def test_deciding_rooms(file):
    """Authentication imports core, itself, and from Twisted only Deferreds, interfaces, the logger and Failure."""
    allowed = {
        *sys.stdlib_module_names, "authd.core", *(name.removesuffix(".py").replace("/", ".") for name in DECIDING),
        "twisted.internet.defer", "twisted.internet.interfaces", "twisted.logger", "twisted.python.failure",
    }  # fmt: skip
    assert {name for name in imports_of(file) if not begins(name, allowed)} == set()
    assert not {"os", "socket", "time", "pathlib", "threading"} & imports_of(file)


@pytest.mark.parametrize("file", sorted(ALL))
def test_one_reactor(file):
    """Only the module that wires the daemon imports the reactor."""
    assert ("twisted.internet.reactor" in imports_of(file)) == (file == "authd/daemon/tap.py")


@pytest.mark.parametrize("file", sorted(ALL))
def test_no_systemd_package(file):
    """No module imports `systemd`: in editable installations the import would find the repository's folder."""
    assert not any(begins(name, {"systemd"}) for name in imports_of(file))


@pytest.mark.parametrize("file", sorted(ALL))
def test_fixed_logger_names(file):
    """Loggers are at module level with fixed names, because Twisted names a class's logger after the class."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Logger"]
    fixed = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and node.value.keywords
    ]
    assert all(call in fixed and call.keywords[0].arg == "namespace" for call in made)
