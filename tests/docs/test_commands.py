from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

from authd.cli import main as cli
from authd.client.fast.flags import parse_flags
from authd.config.load import load_settings
from authd.daemon.command_line.flags import SERVER_FLAGS
from authd.daemon.command_line.flags import parse_flags as parse_server_flags
from authd.daemon.tap import Options
from authd.partition_data import load_partitions

ROOT = Path(__file__).parents[2]
FILES = (
    "README.md",
    "docs/migration.md",
    "docs/operations.md",
    "docs/symptoms.md",
    "docs/settings.md",
    "docs/reasons.md",
)
SYSTEMD = (ROOT / "docs" / "guides" / "systemd.md").read_text("utf-8")
#: Commands are in indented blocks, and in backquotes in the README's table. Other backquotes contain names.
CODE = re.compile(r"^ {4,}(.+)$|`([^`\n]+)`", re.MULTILINE)


def commands(program):
    """Return the arguments of every call of a program in the documents."""
    found = []
    for file in FILES:
        text = (ROOT / file).read_text("utf-8").replace("|\n", "| ")
        lines = [block or inline for block, inline in CODE.findall(text) if block or file == "README.md"]
        pieces = [part for line in lines for part in re.split(r"[|;<>]|  +#", line)]
        words = [shlex.split(piece) for piece in pieces if re.match(rf"\s*(\S*/)?{program} ", piece)]
        found += [(file, tuple(line[1:])) for line in words]
    return found


@pytest.mark.parametrize(("file", "arguments"), commands("authd"))
def test_commands_of_authd(file, arguments, monkeypatch):
    """Every `authd` command in the documents has options that exist."""
    load = cli._load

    def pretend(name, module):
        add_parser = getattr(load(name, module), "add_parser", None)
        return SimpleNamespace(add_parser=add_parser, run=lambda _args: 0, main=parse_only)

    def parse_only(arguments, _program):
        parse_server_flags(arguments, SERVER_FLAGS)
        return 0

    monkeypatch.setattr(cli, "_load", pretend)
    if arguments[-1].isupper():  # `authd check FILE` in the text
        arguments = (*arguments[:-1], "file.yaml")
    assert cli.main(list(arguments)) == 0


def test_there_are_commands():
    """The documents show every command except two that appear in another form."""
    assert {arguments[0] for _, arguments in commands("authd")} >= {"check", "explain", "init", "reload", "verify"}


@pytest.mark.parametrize(("file", "arguments"), commands("authd-token"))
def test_commands_of_authd_token(file, arguments):
    """Every `authd-token` command in the documents has options that exist."""
    parse_flags(list(arguments))


@pytest.mark.parametrize(("file", "arguments"), commands("twistd"))
def test_commands_of_twistd(file, arguments):
    """Every `twistd` command in the documents has options that exist."""
    if "authd" in arguments:
        Options().parseOptions(arguments[arguments.index("authd") + 1 :])


def test_the_settings_of_the_readme():
    """The settings in the README and in the first guide load without a warning."""
    readme = re.search(r"^ +clusterID: .*\n(?: +.*\n)+", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)[0]
    guide = re.search(r"config\.yaml <<'EOF'\n(.*?)\n +EOF", SYSTEMD, re.DOTALL)[1]
    for text in (readme, guide):
        settings = textwrap.dedent(text)
        assert load_settings(settings.encode(), file="README", partitions=load_partitions()).warnings == ()


SYMPTOMS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/symptoms/*.md"))


@pytest.mark.parametrize("file", [*FILES, *SYMPTOMS, "docs/ci.md", "SECURITY.md", "CHANGELOG.md"])
def test_links(file):
    """Every link to a file of this repository leads to an existing file and heading."""
    text = (ROOT / file).read_text("utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, heading = target.partition("#")
        linked = (ROOT / file).parent / path if path else ROOT / file
        assert linked.is_file(), target
        headings = re.findall(r"^#+ (.+)$", linked.read_text("utf-8"), re.MULTILINE)
        assert not heading or heading in [each.lower().replace(" ", "-") for each in headings]
