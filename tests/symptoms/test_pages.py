"""Runs every command on the pages of `docs/symptoms` on a node in the state of the page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.symptoms.rig.pages import Command, State, steps
from tests.symptoms.rig.states import STATES

PAGES = sorted(path for path in Path(__file__).parents[2].glob("docs/symptoms/*.md") if path.stem != "index")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page(page, node):
    """Each command prints the output on the page."""
    words = {word for step in steps(page) if isinstance(step, Command) for word in step.line.split()}
    missing = [program for program in ("curl", "jq") if program in words and shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    for step in steps(page):
        if isinstance(step, State):
            STATES[step.name](node)
            continue
        printed = node.run(step.line)
        assert step.matches(printed), f"$ {step.line}\n{printed}\n--- but {page.name} shows\n" + "\n".join(step.output)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_begins_with_a_state_and_ends_with_the_solution(page):
    """A page has a state before its first command, and a command after the last state."""
    found = list(steps(page))
    assert isinstance(found[0], State)
    assert isinstance(found[-1], Command)
    assert found[-1].output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_command_is_left_out(page):
    """Every code block on a page is a console session, whose commands are run."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"(?m)^```(\w*)\n.*?^```$", text, re.DOTALL)
    assert set(blocks) == {"console"}
    outside = re.sub(r"(?m)^```\w*\n.*?^```$", "", text, flags=re.DOTALL)
    assert not re.search(r"(?m)^( {4}|\t)", outside)


def test_every_state_is_used():
    """Every state occurs on a page."""
    named = {step.name for page in PAGES for step in steps(page) if isinstance(step, State)}
    assert named == set(STATES)


@pytest.mark.parametrize(
    ("output", "printed", "fits"),
    [
        (("a", "b"), "a\nb\n", True),
        (("a",), "a\nb\n", False),
        (("a …",), "a b c\n", True),
        (("…", "c"), "a\nb\nc\n", True),
        (("a", "…"), "a\n", True),
        (("a.c",), "abc\n", False),
        ((), "anything", True),
    ],
)
def test_the_comparison(output, printed, fits):
    """`…` matches any text within a line, and alone in a line any lines."""
    assert Command("", output).matches(printed) is fits
