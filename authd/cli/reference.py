"""The exit statuses of the commands, and the shapes of their JSON output, for --help, manual pages and documents.

A shape is JSON: `"string"`, `"number"`, `"boolean"` and `"any"` stand for values of that type, and a list has one
element that stands for all. A member whose name ends in `?` may be absent or null, and one named `*` stands for others.
"""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

#: The meaning of 2, unless a command has a narrower one.
_UNUSABLE = "wrong usage, or something can't be used"
#: Statuses of every command.
COMMON: Mapping[int, str] = MappingProxyType(
    {
        0: "success",
        1: "the command ran, and the result is negative, or there are warnings",
        2: _UNUSABLE,
        130: "interrupted by Ctrl-C",
    }
)


class Exits(NamedTuple):
    """The meanings of a command's exit statuses. `no` is empty if it never ends with 1."""

    success: str
    no: str = ""
    unusable: str = _UNUSABLE


EXITS: Mapping[str, Exits] = MappingProxyType(
    {
        "server": Exits(
            "none: it ends by the signal that stops it, which shells show as 143 for SIGTERM",
            "the start failed, for example because a port is in use",
        ),
        "token": Exits("the credential is printed", "there is no token", "wrong usage"),
        "kubeconfig": Exits("done, or the login works", "test: the cluster refused the login"),
        "init": Exits("the files are there"),
        "rotate-ca": Exits("one step is done"),
        "check": Exits("usable", "usable with warnings, only with --strict", "not usable or not readable"),
        "explain": Exits("a mapping matches", "none does"),
        "doctor": Exits("all is well", "warnings", "errors, or wrong usage"),
        "why": Exits("found", "there is no such decision", "wrong usage, or an unreadable log"),
        "diff": Exits(
            "no difference", "differences; with --fail-on losses only if a rule or identity is lost",
            "a file can't be used",
        ),
        "verify": Exits("the token is good, and mapped", "refused", "no decision: STS or the settings"),
        "add": Exits("done, or nothing to do", "not confirmed", "the mapping or the cluster can't be used"),
        "remove": Exits("done", "not confirmed", "there is no such mapping, or the cluster can't be used"),
        "list": Exits("done", unusable="the cluster can't be used"),
        "migrate": Exits(
            "done", "not confirmed, or something has no counterpart (with --strict)",
            "a source or the cluster can't be used",
        ),
        "reload": Exits(
            "in force", "refused by the daemon", "the file is broken, no daemon runs, or nothing was refused"
        ),
        "status": Exits("no problem", "the daemon reports a problem", "no daemon answers"),
        "demo": Exits("every outcome was the expected one", "an outcome was another one"),
        "install-links": Exits("the links are there"),
        "completion": Exits("the script is printed"),
        "version": Exits("the version is printed"),
        "help": Exits("the help is printed"),
    }
)  # fmt: skip

_PROBLEM = {"line": "number", "column": "number", "message": "string"}
_PLACED = {"file": "string", **_PROBLEM}
_MAPPED = {"username?": "string", "groups?": ["string"], "rule?": "string", "reason?": "string", "message?": "string"}
_TIMES = {"validFrom?": "string", "validUntil?": "string"}
_USER = {"username": "string", "groups": ["string"], "where": "string", **_TIMES}
_CHANGE = {"changed": "boolean", "dryRun": "boolean", "diff": "string"}
_CHECKED = {"file": "string", "usable": "boolean", "errors": [_PROBLEM], "warnings": [_PROBLEM], "note?": "string"}
_RULES = [
    {
        "kind": "string", "arn?": "string", "sso?": "any", "username": "string", "groups": ["string"],
        "userId?": "string", "place": "string", **_TIMES,
    }
]  # fmt: skip
_EDITS = {"dryRun": "boolean", "files": [{"file": "string", "diff": "string", "backup?": "string"}]}

#: By command. `token` prints the ExecCredential of the Kubernetes API.
SHAPES: Mapping[str, object] = MappingProxyType(
    {
        "kubeconfig add": {**_EDITS, "hint?": "string"},
        "kubeconfig convert": {**_EDITS, "notes": ["string"]},
        "kubeconfig test": {"username?": "string", "uid?": "string", "groups?": ["string"], "extra?": "any"},
        "init": {
            "clusterID?": "string", "written?": ["string"], "kept?": ["string"], "kubeAPIServerFlags?": ["string"],
            "certificateEnds?": "string", "renewedByDaemon?": "boolean", "manifestDiff?": "string",
        },
        "rotate-ca": {"step": "string", "next": "string"},
        "check": _CHECKED,
        "check FILE FILE": [_CHECKED],
        "explain": {
            "canonical_arn": "string", "matches": "boolean", **_MAPPED, "source?": "string", "differs?": "string",
            **_TIMES,
        },
        "doctor": {
            "status": "number",
            "findings": [{"group": "string", "level": "string", "message": "string", "fix?": "string"}],
        },
        "why": {
            "decisions": [
                {
                    "*": "any", "settings_now?": {"matches": "boolean", **_MAPPED}, "next_step": "string",
                    "mapping_entry?": "string", "add_command?": "string",
                }
            ]
        },
        "diff": {
            "rules": [{"change": "string", "subject": "string", "old?": _USER, "new?": _USER}],
            "identities": [{"change": "string", "arn": "string", "old?": _USER, "new?": _USER}],
            "settings": [{"setting": "string", "old": "string", "new": "string"}],
        },
        "verify": {
            "decision": "string", **_MAPPED, "arn?": "string", "canonical_arn?": "string", "account?": "string",
            "principal_id?": "string", "uid?": "string", "sts_request_id?": "string", "access_key_id?": "string",
            "sts_host?": "string", "signed_at?": "string", "valid_until?": "string", "token?": "string",
        },
        "add": _CHANGE,
        "remove": _CHANGE,
        "list": _RULES,
        "migrate": _CHANGE,
        "migrate --to file": _RULES,
        "reload": {
            "forced": "boolean", "result": "string", "file?": "string", "rules?": "number", "problems?": [_PLACED],
            "sources?": ["string"],
        },
        "status": {
            "version": "string", "pid": "number", "started": "number", "problems": {"*": "string"},
            "settings": {"file": "string", "sha256": "string", "rules": "number", "problems": [_PLACED]},
            "sources": [
                {
                    "name": "string", "place": "string", "rules": "number", "changed": "number",
                    "problems": [_PLACED], "ended": "number", "not_begun": "number", "next_end?": "number",
                    "copy?": {"origin": "string", "saved": "number"},
                }
            ],
            "refusals": [{"source": "string", "reference": "string", "message": "string"}],
            "decisions": {"minutes": "number", "by_reason": {"*": "number"}},
            "refused": [{"identity": "string", "reason": "string", "count": "number"}],
            "sts": {
                "in_flight": "number", "waiting": "number", "failing": {"*": "string"},
                "recent_calls": {"calls": "number", "p50?": "number", "p95?": "number"},
            },
            "caches": {"*": {"entries": "number", "most": "number", "hits": "number"}},
            "budgets": {
                "calls": {"total": "number", "strained": "number", "strangers": "number"}, "known_keys": "number",
                "exhausted_keys": "number",
            },
            "reviews": {"in_flight": "number", "connections": "number", "last?": "number"},
            "certificate": {"seconds_left": "number"},
        },
        "demo": {
            "passed": "boolean",
            "cases": [
                {
                    "caller": "string", "status": "number", "reason": "string", "username": "string",
                    "groups": ["string"], "passed": "boolean",
                }
            ],
        },
        "install-links": {"target": "string", "links": ["string"], "made": ["string"]},
        "version": {"Version": "string", "Program": "string"},
    }
)  # fmt: skip


def filled(text: str) -> str:
    """Wrap the paragraphs of a help text to the terminal. Sections and indented lines, such as examples, stay."""
    width = max(40, shutil.get_terminal_size().columns - 2)
    paragraphs = text.strip("\n").split("\n\n")
    return "\n\n".join(each if _is_fixed(each) else textwrap.fill(" ".join(each.split()), width) for each in paragraphs)


def _is_fixed(paragraph: str) -> bool:
    return "\n " in paragraph or paragraph.startswith(" ")


def common_exits_text() -> str:
    """Return the section about the exit statuses of all commands."""
    lines = [f"  {status:<4} {text}" for status, text in COMMON.items()]
    return "\n".join(["exit status:", *lines]) + "\n"


def exits_text(name: str) -> str:
    """Return the section about the exit statuses of a command, for its help."""
    exits = EXITS[name]
    lines = [f"  {status}  {text}" for status, text in enumerate(exits) if text]
    return "\n".join(["exit status:", *lines]) + "\n"


def shape_text(name: str) -> str:
    """Return the section about the JSON output of a command, for its help. Empty if it has none."""
    shapes = {title: shape for title, shape in SHAPES.items() if title == name or title.startswith(f"{name} ")}
    lines = []
    for title, shape in shapes.items():
        lines += [f"  {title}:"] if title != name else []
        width = shutil.get_terminal_size().columns - 2
        lines.append(textwrap.fill(json.dumps(shape), width, initial_indent="  ", subsequent_indent="  "))
    return "\n".join(["JSON (`?` may be absent or null):", *lines, ""]) if shapes else ""
