"""The steps of a guide in order: states, files and scripts."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_STEP = re.compile(
    r"^ *<!-- state: (?P<state>[a-z0-9-]+) -->$"
    r"|^<!-- run -->\n\n(?P<run>(?: {4}[^\n]*\n)+)"
    r'|^(?P<indent> *)```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<body>.*?)^(?P=indent)```$',
    re.MULTILINE | re.DOTALL,
)
AWS = "†"
MACHINE = "‡"


@dataclass(frozen=True, slots=True)
class State:
    """The state of the machine before the following steps."""

    name: str


@dataclass(frozen=True, slots=True)
class File:
    """A file that the reader writes."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Script:
    """Commands that the reader runs in one shell."""

    text: str

    @property
    def commands(self) -> list[str]:
        """The logical lines with their marks."""
        return re.sub(r"\\\n\s*", "", self.text).splitlines()

    def runnable(self, left_out: str) -> str:
        """Return the script without the commands with one of these marks."""
        mark = re.compile(rf"# [{left_out}]$")
        if mark.match(self.commands[0]):
            return ""
        return "\n".join(line for line in self.commands if not mark.search(line))


Step = State | File | Script


def steps(page: Path) -> Iterator[Step]:
    """Yield the steps of a page: fenced blocks, and indented ones after a comment `run`.

    YAML without a title is an excerpt, not a step.
    """
    for match in _STEP.finditer(page.read_text("utf-8")):
        if match["state"]:
            yield State(match["state"])
            continue
        if match["run"]:
            yield Script(textwrap.dedent(match["run"]))
            continue
        body = textwrap.dedent(match["body"])
        if match["language"] == "sh":
            yield Script(body)
        elif match["title"]:
            yield File(match["title"], body)
