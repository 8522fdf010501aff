"""Reads the rules that `authd migrate` copies from files, access entries or the cluster."""

from __future__ import annotations

import sys
from pathlib import Path

from authd.cli.mappings.access_entries import Converted, convert_entries
from authd.cli.mappings.cluster import Rules
from authd.cli.mappings.plain_rule import ROLE, USER, PlainRule, member, rule_of_node
from authd.cli.shared.errors import CommandError
from authd.config.document.decoding import MAX_BYTES, Unreadable, decoding
from authd.config.document.nodes import Node, SequenceNode
from authd.config.document.problems import Problems
from authd.config.document.tree import reading_tree
from authd.core.cooperative import finish


def rules_of_cluster(rules: Rules) -> Converted:
    """Return the rules of a place in the cluster, and messages about anything that can't be copied."""
    missing = ["mapAccounts has no counterpart: write it to the settings file"] if rules.accounts.strip() else []
    return Converted(rules.rules, missing)


def rules_of_entries(file: str) -> Converted:
    """Read outputs of `aws eks describe-access-entry`. `-` is standard input."""
    return convert_entries(_read(file).decode("utf-8", "replace"))


def rules_of_file(file: str) -> Converted:
    """Read a settings file, or a dynamic file."""
    problems = Problems(file)
    try:
        root = finish(reading_tree(finish(decoding(_read(file))), problems, {}))
    except Unreadable as fault:
        raise CommandError(f"{file}:{fault.line}:{fault.column}: {fault.message}") from None
    problems.raise_errors()
    lists = member(root, "server") or root
    rules: list[PlainRule] = []
    missing: list[str] = []
    for name, kind in (("mapusers", USER), ("maproles", ROLE)):
        for node in _items(member(lists, name)):
            rule = rule_of_node(node, kind, f"{file}:{node.line}:{node.column}")
            if rule is None:
                missing.append(f"{file}:{node.line}:{node.column}: this is not a rule")
            else:
                rules.append(rule)
    if _items(member(lists, "mapaccounts")):
        missing.append("mapAccounts has no counterpart: write it to the settings file")
    return Converted(rules, missing)


def _read(file: str) -> bytes:
    if file == "-":
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise CommandError(f"standard input has more than {MAX_BYTES >> 20} MiB: give it in parts")
        return content
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: can't be read: {error.strerror}") from None


def _items(node: Node | None) -> list[Node]:
    return node.nodes if isinstance(node, SequenceNode) else []
