"""The tests that docs/security.md names exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_file_that_the_document_names_exists() -> None:
    """Every test file in the document exists."""
    text = (ROOT / "docs" / "security.md").read_text()
    named = set(re.findall(r"`((?:tests|systemd|benchmarks)/[^` ]+)`", text))
    assert len(named) > 30
    assert sorted(path for path in named if not (ROOT / path).exists()) == []
    rooms = {path.name for path in (ROOT / "tests" / "trouble").glob("test_*.py")} - {Path(__file__).name}
    assert sorted(room for room in rooms if room not in text) == []
