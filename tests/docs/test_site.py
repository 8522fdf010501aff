from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = yaml.safe_load(re.sub(r"(?m)^  - \{media.*$", "", (ROOT / "mkdocs.yml").read_text()))
GUIDES = sorted((DOCS / "guides").glob("*.md"))


def pages(entries):
    """Yield the path of every page in the navigation."""
    for entry in entries:
        for value in entry.values():
            yield from pages(value) if isinstance(value, list) else [value]


def test_navigation():
    """Every page of the navigation exists or is generated, and every folder of documents is in the navigation."""
    listed = set(pages(SITE["nav"]))
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    generated = {name for name in listed if name.startswith(("reference/", "project/"))}
    assert listed - generated <= written
    assert {Path(name).parent for name in listed - generated} == {Path(name).parent for name in written}
    assert all((ROOT / Path(name).name).is_file() for name in generated if name.startswith("project/"))


@pytest.mark.parametrize("file", [*GUIDES, *(DOCS / name for name in ("index.md", "tutorial.md", "support.md"))])
def test_links(file):
    """Every link of a guide points to a file of the repository or to a generated page."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", file.read_text()):
        linked = (file.parent / target).resolve()
        generated = DOCS / "reference" in linked.parents
        assert linked.is_file() or generated, target


@pytest.mark.parametrize("picture", sorted(DOCS.glob("*.svg")), ids=lambda path: path.stem)
def test_pictures(picture):
    """Every picture is well-formed, and loads no external resources."""
    root = ET.fromstring(picture.read_text())
    assert root.tag.endswith("svg")
    text = picture.read_text()
    assert "<script" not in text
    assert re.findall(r'(?:href|src)="https?:|url\((?!#)', text) == []
