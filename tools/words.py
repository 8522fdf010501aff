"""Count the words that CONTRIBUTING.md limits, in the docstrings and comments of authd/ and in the documents.

    python3 tools/words.py

Prints a table: occurrences per 1,000 words beside the target. Exits with 1 if a target for the code is missed.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: The counted words, with their minimum and maximum per 1,000 words.
COUNTED = (
    ("what, who, whom, whose", r"\b(?:what|who|whom|whose)\b", 0.0, 4.0),
    ("where", r"\bwhere\b", 0.0, 4.0),
    ("if", r"\bif\b", 5.0, 1000.0),
    ("semicolons", r";", 0.0, 5.0),
)


def code() -> Iterator[str]:
    """Yield every docstring and comment of the package."""
    for file in sorted((ROOT / "authd").rglob("*.py")):
        source = file.read_text("utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield ast.get_docstring(node) or ""
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token.string


def documents() -> Iterator[str]:
    """Yield the text of every document."""
    for file in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]):
        yield file.read_text("utf-8")


def rate(text: str, pattern: str) -> float:
    """Return how often a pattern occurs per 1,000 words."""
    words = len(re.findall(r"[a-z']+", text)) or 1
    return len(re.findall(pattern, text)) * 1_000 / words


def main() -> int:
    """Print the table, and return the exit status."""
    texts = [" ".join(part).lower() for part in (code(), documents())]
    missed = False
    print(f"{'per 1,000 words':24} {'code':>6} {'documents':>10}  target")
    for name, pattern, least, most in COUNTED:
        rates = [rate(text, pattern) for text in texts]
        missed |= not least <= rates[0] <= most
        target = f"at least {least:g}" if least else f"at most {most:g}"
        print(f"{name:24} {rates[0]:6.1f} {rates[1]:10.1f}  {target}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
