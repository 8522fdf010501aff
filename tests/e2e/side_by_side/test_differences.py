"""differences.md and the tests agree."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e.side_by_side.differences import DIFFERENCES

#: Refused files have no callers, and test_instance_names.py tests the other difference.
_OTHERS = {"Files that authd refuses", "Instances without a name"}


def test_every_difference_is_documented() -> None:
    """Each kind of difference has a section in differences.md, and each section has a test."""
    document = (Path(__file__).parents[1] / "differences.md").read_text("utf-8")
    seen = {kind for names in DIFFERENCES.values() for kinds in names.values() for kind in kinds} | _OTHERS
    assert set(re.findall(r"^### (.+)$", document, re.MULTILINE)) == seen
