"""mkdocs hooks: pages generated from the code, and the documents at the repository's root.

Pages come from the commands' --help, from the daemon's metrics and from the audit log's schema. reference.py generates
the tables of settings and reasons.

Links out of docs/ point to the pages of the root's documents. Links to other files become their paths.
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
#: Documents at the root that are pages too.
DOCUMENTS = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
#: The columns hidden on some pages: the landing page has its own links, and long tables need the width.
_WITHOUT = {
    "index.md": ["navigation", "toc"],
    "reference/metrics.md": ["toc"],
    "reference/audit.md": ["toc"],
    "reasons.md": ["toc"],
}
_ITEM = re.compile(r"(?:-|[0-9]\.) ")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and the root's documents."""
    pages = {
        "reference/cli.md": _run("-m", "tools.site.commands"),
        "reference/metrics.md": _run("-m", "tools.site.metrics"),
        "reference/audit.md": audit_page(),
    }
    pages |= {f"project/{name}": (ROOT / name).read_text("utf-8") for name in DOCUMENTS}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point every link to a page of the site, or replace it by the path of the file."""
    source = page.file.src_uri
    if source in _WITHOUT:
        page.meta["hide"] = _WITHOUT[source]
    folder = posixpath.dirname(source.removeprefix("project/") if source.startswith("project/") else f"docs/{source}")
    return _LINK.sub(lambda match: _link(match, folder, posixpath.dirname(source), files), _indented(markdown))


def _indented(markdown: str) -> str:
    """Indent the content of list items by four columns, as Python-Markdown needs. CommonMark needs two or three."""
    lines, extra, fenced = [], 0, False
    for line in markdown.split("\n"):
        fenced ^= line.startswith("```")
        item = None if fenced else _ITEM.match(line)
        if item:
            extra = 4 - len(item[0])
        elif line and not line.startswith(" " * (4 - extra)):
            extra = 0
        lines.append(line if item or not line else " " * extra + line)
    return "\n".join(lines)


def _link(match: re.Match[str], folder: str, page_folder: str, files: Files) -> str:
    text, path, anchor = match[1], match[2], match[3] or ""
    target = posixpath.normpath(posixpath.join(folder, path))
    own = target.removeprefix("docs/") if target.startswith("docs/") else f"project/{target}"
    if folder.startswith("docs/reference"):
        own = posixpath.normpath(posixpath.join("reference", path))
    if files.get_file_from_path(own) is None:
        return f"{text} (`{target}`)" if text != target else f"`{target}`"
    return f"[{text}]({posixpath.relpath(own, page_folder or '.')}{anchor})"


def audit_page() -> str:
    """Return the page of the audit log's fields, from its JSON Schema."""
    schema = json.loads((ROOT / "docs" / "audit.schema.json").read_text("utf-8"))
    required = set(schema["required"])
    rows = [
        f"| `{name}` | {_type(value)} | {'yes' if name in required else ''} | {value['description']} |"
        for name, value in schema["properties"].items()
    ]
    head = (
        f"# Audit log\n\n{schema['description']} `server.auditLog` switches the log on, and [Operations]"
        "(../operations.md#audit-log) shows how you rotate and ship it. This page is generated from "
        "[audit.schema.json](../audit.schema.json), the JSON Schema of a record.\n\n"
        "| field | type | always | meaning |\n|---|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def _type(value: Mapping[str, Any]) -> str:
    kind = value.get("type") or ("one of " + ", ".join(map(str, value["enum"])) if "enum" in value else "")
    return " or ".join(kind) if isinstance(kind, list) else str(kind or value.get("const", ""))


def _run(*arguments: str) -> str:
    # The site's own environment may lack the daemon's packages.
    python = os.environ.get("AUTHD_PYTHON", sys.executable)
    return subprocess.run([python, *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout
