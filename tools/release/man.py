"""Manual pages of the commands, made from the same parsers as their --help.

python -m tools.release.man FOLDER
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from authd import __version__
from authd.cli.commands import COMMANDS
from authd.cli.reference import exits_text

#: The width to which argparse wraps. troff fills the lines again.
_WIDTH = "100"


def pages() -> dict[str, str]:
    """Return every page's text by its file name, such as `authd.1`."""
    token = f"{_help('client')}\n{exits_text('token')}"
    made = {"authd-token.1": _page("authd-token", "print a credential for kubectl", token, ["authd"])}
    names = [name for name in COMMANDS if name not in {"token", "help"}]
    for name in names:
        text = _help("cli.main", name).rstrip("\n") + "\n"  # Twisted's help ends with an empty line
        text += "" if "\nexit status:\n" in text else f"\n{exits_text(name)}"
        made[f"authd-{name}.1"] = _page(f"authd-{name}", COMMANDS[name].summary, text, ["authd"])
    related = ["authd-token", *(f"authd-{name}" for name in names)]
    made["authd.1"] = _page("authd", "log in to Kubernetes with AWS IAM", _help("cli.main"), related)
    return made


def _help(module: str, *arguments: str) -> str:
    """Return the output of a command's --help."""
    command = [sys.executable, "-m", f"authd.{module}", *arguments, "--help"]
    environ = {**os.environ, "COLUMNS": _WIDTH}
    return subprocess.run(command, capture_output=True, check=True, text=True, env=environ).stdout


def _page(name: str, summary: str, text: str, related: list[str]) -> str:
    """Return a page: usage as synopsis, the first paragraph as description, and the sections of the help text."""
    usage, _, rest = text.partition("\n\n")
    lines = [
        f'.TH {name.upper()} 1 "" "authd {__version__}" "User Commands"',
        ".SH NAME", f"{_escape(name)} \\- {_escape(summary)}",
        ".SH SYNOPSIS", ".nf", _escape(usage.removeprefix("usage: ")), ".fi",
        ".SH DESCRIPTION",
    ]  # fmt: skip
    for paragraph in rest.strip("\n").split("\n\n"):
        head, _, body = paragraph.partition("\n")
        if body and re.fullmatch(r"[A-Za-z][\w ,]*(?:\(.*\))?:", head):
            lines += [f".SH {_escape(head.partition('(')[0].rstrip(': ').upper())}", ".nf", _escape(body), ".fi"]
        elif paragraph.startswith(" "):
            lines += [".nf", _escape(paragraph), ".fi"]
        else:
            lines += [".PP", _escape(paragraph)]
    lines += [".SH SEE ALSO", ", ".join(f"\\fB{_escape(each)}\\fR(1)" for each in related)]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """Escape text for troff: a leading dot or quote would be a request, and a plain hyphen can break a line."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def main() -> int:
    """Write every page into a folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
