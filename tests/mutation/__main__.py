"""Runs mutants of authd/core: each has one wrong line, and the tests must fail.

Each mutant runs in its own process, forked from one that has imported everything but authd. First the module's own
tests run, then all of tests/core and tests/corpus, then the properties, with a fixed seed. A surviving mutant must be
in tests/mutation/equivalent.json with the reason why it weakens no check. Any other survivor is a failure.

From the project's root, with the Python of authd's tests:

  python -m tests.mutation                                  all of authd/core, about an hour
  python -m tests.mutation --module arn mapping.table       two modules
  python -m tests.mutation --module arn --match fullmatch   the mutants with this in their name
"""

# ruff: noqa: T201  # a command line prints

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import os
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType

import pytest

from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
CORE = ROOT / "authd" / "core"
EQUIVALENT = Path(__file__).with_name("equivalent.json")
#: Seconds and bytes for one mutant. One that needs more counts as detected.
CPU_TIME = 40
MEMORY = 4 << 30

_PYTEST = ["-q", "-x", "--tb=no", "--no-header", "-p", "no:cacheprovider", "--hypothesis-seed=0",
    "-W", "ignore::pytest.PytestAssertRewriteWarning"]  # fmt: skip
_CASES = ["-m", "not hypothesis", "tests/core", "tests/corpus"]
_PROPERTIES = ["-m", "hypothesis", "tests/core"]
#: Outcomes of a mutant that no test detects.
_EQUIVALENT, _SURVIVED = "no test (equivalent)", "no test"


class _Swap(MetaPathFinder):
    """Imports one module from a mutant's code."""

    def __init__(self, module: str, code: CodeType) -> None:
        self._name, self._code = f"authd.core.{module}", code

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        loader = SourceFileLoader(name, self._code.co_filename)
        loader.get_code = lambda fullname: self._code
        return importlib.util.spec_from_file_location(name, self._code.co_filename, loader=loader)


def _passes(options: Sequence[str], swap: _Swap) -> bool:
    """Run tests in a forked process, and return whether all passed."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_TIME, CPU_TIME))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.meta_path.insert(0, swap)
        status = 1
        try:
            status = int(pytest.main([*_PYTEST, *options]))
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in {0, int(pytest.ExitCode.NO_TESTS_COLLECTED)}


def _own_tests(module: str) -> list[str]:
    """Return the paths of a module's own tests. pytest fails for a path that does not exist."""
    *package, name = module.split(".")
    path = Path("tests", "core", *package, f"test_{name}.py")
    return ["tests/core/test_values.py", *([str(path)] if path.exists() else [])]


def _detected_by(module: str, mutant: Mutant, known: Collection[str]) -> str:
    swap = _Swap(module, mutant.code)
    if not _passes(["-m", "not hypothesis", *_own_tests(module)], swap):
        return "its own tests"
    if mutant.name in known:
        return _EQUIVALENT
    if not _passes(_CASES, swap):
        return "other tests"
    return _SURVIVED if _passes(_PROPERTIES, swap) else "properties"


def _run(module: str, match: str, known: Collection[str]) -> int:
    """Run a module's mutants. Returns the number of survivors that are not listed as equivalent."""
    counts: Counter[str] = Counter()
    unseen = set() if match else {*known}
    file = f"{module.replace('.', '/')}.py"
    for mutant in mutants(CORE / file):
        if match in mutant.name:
            by = _detected_by(module, mutant, known)
            counts[by] += 1
            if by == _EQUIVALENT:
                unseen.discard(mutant.name)
            elif by in {_SURVIVED, "properties"}:
                print(f"{file}:{mutant.line}: detected by {by}: {mutant.name}", flush=True)
    total = ", ".join(f"{count} by {by}" for by, count in sorted(counts.items()))
    print(f"{module}: {sum(counts.values())} mutants, detected: {total}", flush=True)
    for name in sorted(unseen):
        print(f"{file}: listed as equivalent, but not among the survivors: {name}", flush=True)
    return counts[_SURVIVED]


def _warm_up() -> None:
    """Import all packages of the tests, and forget authd. Exits if the tests fail without a mutant."""
    for options in (_CASES, _PROPERTIES):
        if pytest.main([*_PYTEST, *options]):
            sys.exit("The tests fail without a mutant. Fix them first.")
    for name in list(sys.modules):
        if name.partition(".")[0] in {"authd", "tests"} and not name.startswith("tests.mutation"):
            del sys.modules[name]
    gc.freeze()


def main() -> int:
    """Run the command line."""
    paths = (path.relative_to(CORE).with_suffix("") for path in CORE.rglob("*.py") if path.stem != "__init__")
    names = sorted(".".join(path.parts) for path in paths)
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--module", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--match", default="", metavar="TEXT", help="only mutants whose name has this text in it")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    equivalent = {
        module: [name for names in reasons.values() for name in names]
        for module, reasons in json.loads(EQUIVALENT.read_text("utf-8")).items()
    }
    with tempfile.TemporaryDirectory(prefix="authd-mutation-") as folder:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder
        _warm_up()
        return min(1, sum(_run(name, arguments.match, equivalent.get(name, ())) for name in arguments.module))


if __name__ == "__main__":
    sys.exit(main())
