"""Finds settings in Kubernetes manifests, with their lines and columns in the manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from authd.config.document.decoding import Unreadable, source_lines
from authd.config.document.nodes import MappingNode, Node, Scalar
from authd.config.document.problems import Problems
from authd.config.document.tree import reading_tree
from authd.config.fields.schema import SERVER
from authd.config.fields.section import Section
from authd.config.other_files import RULE_LISTS, is_aws_auth, manifests_of, member, settings_value, text_at
from authd.config.rules.reader import RuleReader
from authd.config.rules.table import reading_accounts
from authd.config.rules.validity import time_warnings
from authd.core.cooperative import finish
from authd.core.mapping.validity import NO_TIME
from authd.core.partitions import Partition

#: A line that separates YAML documents.
_SEPARATOR = re.compile(r"---(?:\s.*)?")
#: Documents of a file that are searched.
_MAX_DOCUMENTS = 200


class Embedded(NamedTuple):
    """A text in a manifest. `text` is padded with empty lines and spaces, so that its places are those of the manifest.

    `exact` is False if they are not, as for a text in quotes.
    """

    name: str
    key: str
    text: str
    line: int
    exact: bool


def embedded_settings(text: str) -> Embedded | None:
    """Return the settings in the first ConfigMap that has any, None if there is none."""
    for manifest in _config_maps(text):
        found = settings_value(manifest)
        if found is not None:
            return _embedded(text, manifest, *found)
    return None


def embedded_rules(text: str) -> tuple[Embedded, ...]:
    """Return the rule lists (`mapRoles` and so on) of the first ConfigMap aws-auth, an empty tuple if there is none."""
    for manifest in _config_maps(text):
        if is_aws_auth(manifest):
            values = [(name, member(member(manifest, "data"), name.lower())) for name in RULE_LISTS]
            return tuple(_embedded(text, manifest, name, value) for name, value in values if isinstance(value, Scalar))
    return ()


def rule_problems(part: Embedded, file: str, partitions: Mapping[str, Partition], now: float = NO_TIME) -> Problems:
    """Return the errors and warnings of one rule list of aws-auth. Rules that end soon after `now` are warnings."""
    problems = Problems(file if part.exact else f"{file}, data / {part.key}")
    rules = RuleReader(problems, partitions, path="")
    try:
        tree = finish(reading_tree(part.text, problems, {}))
    except Unreadable as fault:
        problems.error(fault, fault.message)
        return problems
    section = Section(MappingNode(0, 0, {part.key.lower(): (Scalar(0, 0, part.key), tree)}), "", SERVER, problems)
    if part.key == "mapAccounts":
        finish(reading_accounts(section, part.key))
    else:
        add = rules.add_role if part.key == "mapRoles" else rules.add_user
        for node in section.items(part.key):
            add(node)
    chosen = finish(rules.choosing("aws", patterns=False))
    for warning in time_warnings(chosen, now):
        problems.warn(Scalar(warning.line, warning.column, ""), warning.message)
    return problems


def _config_maps(text: str) -> Iterator[Node]:
    for document in _documents(text):
        for manifest in manifests_of(document):
            if text_at(manifest, "kind") == "ConfigMap":
                yield manifest


def _documents(text: str) -> Iterator[Node]:
    """Yield the documents of a file that mention a ConfigMap. Empty lines before a document keep its line numbers."""
    lines = source_lines(text)
    starts = [number for number, line in enumerate(lines) if not number or _SEPARATOR.fullmatch(line)]
    documents = zip(starts, [*starts[1:], len(lines)], strict=True)
    for start, end in islice(documents, _MAX_DOCUMENTS):
        part = "\n".join(lines[start:end])
        if "ConfigMap" in part:
            try:
                yield finish(reading_tree("\n" * start + part, Problems(""), {}))
            except Unreadable:
                continue


def _embedded(text: str, manifest: Node, key: str, value: Scalar) -> Embedded:
    name = text_at(member(manifest, "metadata"), "name")
    block = _block(source_lines(text), value)
    if block is None:
        return Embedded(name, key, value.text, value.line, exact=False)
    return Embedded(name, key, "\n" * value.line + block, value.line, exact=True)


def _block(lines: Sequence[str], value: Scalar) -> str | None:
    """Return the lines of a literal block (`|`) as they are written, None if the value is not one."""
    header = lines[value.line - 1][value.column - 1 :]
    if not header.startswith("|"):
        return None
    wanted = value.text.rstrip("\n").split("\n")
    source = list(lines[value.line : value.line + len(wanted)])
    indentation = min((len(line) - len(line.lstrip(" ")) for line in source if line.strip()), default=0)
    if [line[indentation:].rstrip() for line in source] != [line.rstrip() for line in wanted]:
        return None
    first = next((number for number, line in enumerate(source) if line.strip()), 0)
    if _SEPARATOR.fullmatch(source[first].strip()):
        source[first] = ""  # indented, it is not a document marker
    return "\n".join(source) + "\n"
