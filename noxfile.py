"""Sessions for other versions: `nox -s tests-3.12`, `nox -s oldest`, `nox -s newest`.

Each installs into an environment of its own. Sessions for Python versions that are not installed are skipped.
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests", "oldest", "newest"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
#: The rooms of rules and of each dependency, without processes: some minutes.
ROOMS = ["tests/core", "tests/config", "tests/authentication", "tests/state", "tests/daemon", "tests/client"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests with the pinned versions."""
    session.install("--constraint", "constraints.txt", ".[test]")
    session.run("python", "-m", "pytest", "-p", "no:cacheprovider", *(session.posargs or ROOMS))


@nox.session(python=PYTHONS[0])
def oldest(session: nox.Session) -> None:
    """Run the tests with the oldest versions that pyproject.toml names."""
    session.install("packaging", "pytest")
    session.env["AUTHD_OLDEST"] = "1"
    session.run("python", "-m", "pytest", "-p", "no:cacheprovider", "tests/packaging/test_oldest.py")


@nox.session(python=PYTHONS[-2])
def newest(session: nox.Session) -> None:
    """Run the tests with the newest versions on the index."""
    session.install("--upgrade", ".[test]")
    session.run("python", "-m", "pytest", "-p", "no:cacheprovider", *(session.posargs or ROOMS))
