"""Runs every command of the guides on a machine in the state of the guide."""

from __future__ import annotations

import re
import shlex
import shutil
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from authd.cli import main as cli
from authd.client.fast.flags import parse_flags
from authd.config.load import load_settings
from authd.partition_data import load_partitions
from tests.guides.assets.installers import find_installer
from tests.guides.rig.page import AWS, MACHINE, File, Script, State, steps
from tests.guides.rig.states import STATES

ROOT = Path(__file__).parents[2]
GUIDES = sorted(ROOT.glob("docs/guides/*.md"))


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_the_steps_of_a_guide(page, machine):
    """Each command succeeds, up to the first login."""
    found = list(steps(page))
    words = {word for step in found if isinstance(step, Script) for word in step.runnable(MACHINE).split()}
    missing = [name for name in ("curl", "openssl") if name in words and shutil.which(name) is None]
    missing += [name for name in ("helm", "kubeadm") if name in words and find_installer(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: `make installer-assets` builds helm and kubeadm")
    for step in found:
        match step:
            case State():
                STATES[step.name](machine)
            case File():
                machine.write(step.path, step.text)
            case Script():
                left_out = MACHINE if machine.account_url else AWS + MACHINE
                if runnable := step.runnable(left_out):
                    machine.run(runnable)


def test_every_state_is_used():
    """Every state occurs in a guide."""
    named = {step.name for page in GUIDES for step in steps(page) if isinstance(step, State)}
    assert named == set(STATES)


def calls(program):
    """Return the arguments of every call of a program in the guides, including those that are not run."""
    found = []
    for page in GUIDES:
        lines = [line for step in steps(page) if isinstance(step, Script) for line in step.commands]
        lines += re.findall(r"^ {4,8}(authd init -c .*)$", page.read_text("utf-8"), re.MULTILINE)
        for line in lines:
            for piece in re.split(r" [|>]|  +#|; ", line):
                words = [word for word in piece.split() if not re.fullmatch(r"\w+=\S*", word)]
                if words[:1] == [program]:
                    found.append((page.stem, tuple(shlex.split(" ".join(words[1:])))))
    return found


@pytest.mark.parametrize(("page", "arguments"), calls("authd"))
def test_commands_of_authd(page, arguments, monkeypatch):
    """Every `authd` command in the guides has options that exist."""
    load = cli._load
    monkeypatch.setattr(
        cli,
        "_load",
        lambda name, module: SimpleNamespace(
            add_parser=getattr(load(name, module), "add_parser", None), run=lambda _args: 0, main=lambda *_: 0
        ),
    )
    assert cli.main(list(arguments)) == 0


@pytest.mark.parametrize(("page", "arguments"), calls("authd-token"))
def test_commands_of_authd_token(page, arguments):
    """Every `authd-token` command in the guides has options that exist."""
    parse_flags(list(arguments))


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_links(page):
    """Every link of a guide points to an existing file and heading."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text("utf-8")):
        path, _, heading = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.is_file(), target
        headings = re.findall(r"^#+ (.+)$", linked.read_text("utf-8"), re.MULTILINE)
        assert not heading or heading in [each.lower().replace(" ", "-") for each in headings]


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_yaml(page):
    """Every YAML block of a guide is valid, and settings load without a warning."""
    for block in re.findall(r"^ *```yaml.*?\n(.*?)^ *```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        text = textwrap.dedent(block)
        if "server" in yaml.safe_load(text):
            assert load_settings(text.encode(), file=page.name, partitions=load_partitions()).warnings == ()


@pytest.mark.parametrize(
    ("text", "left_out", "runnable"),
    [
        ("a\nb   # ‡\nc", "‡", "a\nc"),
        ("a \\\n  b   # †\nc", "†", "c"),
        ("# ‡\na\nb", "‡", ""),
        ("a   # †", "‡", "a   # †"),
        ("a # ‡ b", "‡", "a # ‡ b"),
    ],
)
def test_marked_commands(text, left_out, runnable):
    """A mark at the end of a command omits it, and a mark in the first line omits the whole script."""
    assert Script(text).runnable(left_out) == runnable
