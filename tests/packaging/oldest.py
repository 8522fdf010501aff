"""The oldest versions in pyproject.toml as exact requirements.

Dependencies of the daemon are at their lower bounds. The tools of the tests are not pinned.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
#: Further packages for the tests of the oldest versions.
TOOLS = ("pytest>=8", "hypothesis>=6.100")


def requirements() -> list[str]:
    """Return the requirements. Each dependency must have a lower bound."""
    return [_at_lower_bound(Requirement(each)) for each in dependencies()]


def dependencies() -> list[str]:
    """Return the dependencies of the daemon and of its extra for tracing in pyproject.toml."""
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras["daemon"], *extras["otel"]]


def _at_lower_bound(requirement: Requirement) -> str:
    (bound,) = [each.version for each in requirement.specifier if each.operator == ">="]
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    # `~=` with three components allows later fixes of the bound, which are not newer dependencies.
    version = bound if bound.count(".") >= 2 else f"{bound}.0" if bound.count(".") else f"{bound}.0.0"
    return f"{requirement.name}{extras}~={version}"
