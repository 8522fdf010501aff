"""The commands of the documents, word for word."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[3]
#: Lines with the indentation of a code block, inside or outside of a list, and the empty lines between them.
_BLOCK = re.compile(r"(?:^(?: {4,}.*)?\n)+", re.MULTILINE)


def blocks(page: str, heading: str) -> list[str]:
    """Return the code blocks of one section of a page, without their indentation."""
    text = (ROOT / page).read_text("utf-8")
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"{page} has no {heading}"
    level = heading.partition(" ")[0]
    section = re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return [textwrap.dedent(block).strip("\n") + "\n" for block in _BLOCK.findall(section) if block.strip()]


def packages(page: str) -> str:
    """Return a page's command that installs Debian's packages for the daemon."""
    found = re.search(r"On Debian, first run `(apt install [^`]+)`", (ROOT / page).read_text("utf-8"))
    assert found, f"{page} names no packages"
    return found[1].replace("apt install", "apt-get install --yes --quiet --no-install-recommends")
