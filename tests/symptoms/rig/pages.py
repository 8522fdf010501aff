"""The commands on a symptom's page, with their output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$|^<!-- state: ([a-z-]+) -->$", re.MULTILINE | re.DOTALL)
_PROMPT = "$ "
#: Matches any text within a line of output. Alone in a line, it matches any lines.
_ANYTHING = "…"


@dataclass(frozen=True, slots=True)
class Command:
    """One command, and its output on the page. An empty output is not compared."""

    line: str
    output: tuple[str, ...]

    def matches(self, printed: str) -> bool:
        """Return whether an output matches that on the page."""
        lines = [r"(?:.*\n)*?" if line == _ANYTHING else f"{_pattern(line)}\n" for line in self.output]
        text = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
        return not self.output or re.fullmatch("".join(lines), text) is not None


@dataclass(frozen=True, slots=True)
class State:
    """The state of the node before the following commands."""

    name: str


def steps(page: Path) -> Iterator[Command | State]:
    """Yield the states and commands of a page in order."""
    for block, state in _BLOCK.findall(page.read_text("utf-8")):
        if state:
            yield State(state)
        else:
            yield from _commands(block.splitlines())


def _commands(lines: list[str]) -> Iterator[Command]:
    starts = [number for number, line in enumerate(lines) if line.startswith(_PROMPT)]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield Command(lines[start].removeprefix(_PROMPT), tuple(lines[start + 1 : end]))


def _pattern(line: str) -> str:
    return ".*".join(map(re.escape, line.split(_ANYTHING)))
