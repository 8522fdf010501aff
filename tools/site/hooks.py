"""mkdocs hooks: pages made from the code, and the documents at the repository's root.

Reference pages come from the commands' --help, from the table of metrics and from the audit log's schema.
Links that leave docs/ lead to copies of the root's documents, and other files are shown by their path.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
#: Documents of the root that are pages too.
DOCUMENTS = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and the root's documents."""
    pages = {"reference/cli.md": cli_page(), "reference/metrics.md": metrics_page(), "reference/audit.md": audit_page()}
    pages |= {f"project/{name}": (ROOT / name).read_text("utf-8") for name in DOCUMENTS}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make every link lead to a page of the site, or show the path of a file that is none."""
    source = page.file.src_uri
    folder = posixpath.dirname(source.removeprefix("project/") if source.startswith("project/") else f"docs/{source}")
    return _LINK.sub(lambda match: _link(match, folder, posixpath.dirname(source), files), markdown)


def _link(match: re.Match[str], folder: str, page_folder: str, files: Files) -> str:
    text, path, anchor = match[1], match[2], match[3] or ""
    target = posixpath.normpath(posixpath.join(folder, path))
    own = target.removeprefix("docs/") if target.startswith("docs/") else f"project/{target}"
    if folder.startswith("docs/reference"):
        own = posixpath.normpath(posixpath.join("reference", path))
    if files.get_file_from_path(own) is None:
        return f"{text} (`{target}`)" if text != target else f"`{target}`"
    return f"[{text}]({posixpath.relpath(own, page_folder or '.')}{anchor})"


def cli_page() -> str:
    """Return the page of all commands, as --help prints them."""
    code = "import json; from authd.cli.commands import COMMANDS; print(json.dumps(list(COMMANDS)))"
    names = json.loads(_run("-c", code))
    parts = ["# Commands\n\nEach command with the text of its `--help`.\n"]
    helps = [("authd", _help("authd.cli.main")), ("authd-token", _help("authd.client"))]
    helps += [(f"authd {name}", _help("authd.cli.main", name)) for name in names if name not in {"token", "help"}]
    parts += [f"## {name}\n\n```text\n{text.rstrip()}\n```\n" for name, text in helps]
    return "\n".join(parts)


def metrics_page() -> str:
    """Return the page of the metrics by name: the rows of operations.md, which a test compares with the code."""
    rows = re.findall(r"(?m)^\| `authd_.*\|$", (ROOT / "docs" / "operations.md").read_text("utf-8"))
    head = "# Metrics\n\n[Operations](../operations.md) has them by purpose, with alerts.\n\n| metric | |\n|---|---|\n"
    return head + "\n".join(sorted(rows)) + "\n"


def audit_page() -> str:
    """Return the page of the audit log's fields, from its JSON Schema."""
    schema = json.loads((ROOT / "docs" / "audit.schema.json").read_text("utf-8"))
    rows = [
        f"| `{name}` | {_type(value)} | {value.get('description', '')} |"
        for name, value in schema.get("properties", {}).items()
    ]
    head = f"# Audit log\n\n{schema.get('description', '')}\n\n| field | type | |\n|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


def _type(value: Mapping[str, Any]) -> str:
    kind = value.get("type") or ("one of " + ", ".join(map(str, value["enum"])) if "enum" in value else "")
    return " or ".join(kind) if isinstance(kind, list) else str(kind or value.get("const", ""))


def _help(module: str, *arguments: str) -> str:
    return _run("-m", module, *arguments, "--help")


def _run(*arguments: str) -> str:
    # Another interpreter: the site's own environment need not have the daemon's packages.
    python = os.environ.get("AUTHD_PYTHON", sys.executable)
    environ = {**os.environ, "COLUMNS": "100"}
    return subprocess.run(
        [python, *arguments], cwd=ROOT, env=environ, check=True, capture_output=True, text=True
    ).stdout
