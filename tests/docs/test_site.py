from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from authd.cli import main as cli
from authd.client.fast.flags import parse_flags
from authd.config.load import load_settings
from authd.partition_data import load_partitions

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = yaml.safe_load(re.sub(r"(?m)^  - \{media.*$", "", (ROOT / "mkdocs.yml").read_text()))
GUIDES = sorted((DOCS / "guides").glob("*.md"))
BLOCK = re.compile(r"(?:^(?: {4,}.*|)\n)+", re.MULTILINE)


def pages(entries):
    """Yield the path of every page in the navigation."""
    for entry in entries:
        for value in entry.values():
            yield from pages(value) if isinstance(value, list) else [value]


def test_navigation():
    """Every page of the navigation exists or is generated, and every folder of documents is in it."""
    listed = set(pages(SITE["nav"]))
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    generated = {name for name in listed if name.startswith(("reference/", "project/"))}
    assert listed - generated <= written
    assert {Path(name).parent for name in listed - generated} == {Path(name).parent for name in written}
    assert all((ROOT / Path(name).name).is_file() for name in generated if name.startswith("project/"))


@pytest.mark.parametrize("file", [*GUIDES, *(DOCS / name for name in ("index.md", "tutorial.md", "support.md"))])
def test_links(file):
    """Every link of a guide leads to a file of the repository, or to a page that the site generates."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", file.read_text()):
        linked = (file.parent / target).resolve()
        generated = DOCS / "reference" in linked.parents
        assert linked.is_file() or generated, target


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_yaml(guide):
    """Every block of YAML in a guide is valid, and settings load without a warning."""
    for block in BLOCK.findall(guide.read_text()):
        text = "\n".join(line.removeprefix("    ") for line in block.splitlines())
        if not re.match(r"\s*[A-Za-z]\w*:(\s|$)", text) and not text.lstrip("\n").startswith("apiVersion"):
            continue
        content = yaml.safe_load(text.replace("…", '"…"'))
        if "server" in content:
            settings = yaml.safe_dump({"clusterID": "c", **content})
            loaded = load_settings(settings.encode(), file=guide.name, partitions=load_partitions())
            others = [each for each in loaded.warnings if "no mapping" not in str(each)]
            assert others == [], guide.name


def commands(program):
    """Return every call of a program in the guides' blocks."""
    found = []
    for guide in GUIDES:
        text = guide.read_text().replace("\\\n", " ")
        for line in re.findall(rf"^ {{4,}}(?:.*\| )?({program} .*)$", text, re.MULTILINE):
            words = re.split(r"[|;<>]|  +#", line)[0].split()
            found.append(pytest.param(words[1:], id=f"{guide.stem}: {line[:60]}"))
    return found


@pytest.mark.parametrize("arguments", commands("authd"))
def test_commands_of_authd(arguments, monkeypatch, capsys):
    """Every `authd` command in the guides has options that exist."""
    load = cli._load

    class Parsed:
        def __init__(self, module):
            self.add_parser = module.add_parser

        def run(self, _args):
            return 0

    monkeypatch.setattr(cli, "_load", lambda name, module: Parsed(load(name, module)))
    try:
        assert cli.main(arguments) == 0
    except SystemExit as ended:
        assert ended.code == 0  # --help
    capsys.readouterr()


@pytest.mark.parametrize("arguments", commands("authd-token"))
def test_commands_of_authd_token(arguments):
    """Every `authd-token` command in the guides has options that exist."""
    parse_flags(arguments)


@pytest.mark.parametrize("picture", sorted(DOCS.glob("*.svg")), ids=lambda path: path.stem)
def test_pictures(picture):
    """Every picture is well-formed, and loads nothing from elsewhere."""
    root = ET.fromstring(picture.read_text())
    assert root.tag.endswith("svg")
    text = picture.read_text()
    assert "<script" not in text
    assert re.findall(r'(?:href|src)="https?:|url\((?!#)', text) == []
