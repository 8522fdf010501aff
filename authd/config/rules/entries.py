"""Single rules from sources other than the settings file: files, ConfigMaps and custom resources.

Those are written for aws-iam-authenticator, which ignores keys that it does not know. So here they are warnings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from authd.config.document.nodes import Broken, MappingNode, Node, Scalar, SequenceNode, is_absent, matched, shown
from authd.config.document.problems import Problems
from authd.config.fields.schema import ROLE, USER, Names
from authd.config.fields.section import Section
from authd.config.fields.values import account
from authd.config.rules.reader import RuleReader
from authd.core.cooperative import finish
from authd.core.mapping.table import Rule
from authd.core.mapping.templates import Template

_USER_ID = "userid"
_MAX_DEPTH = 20


class EntryReader:
    """Reads rules one by one. Their errors and warnings are noted in `problems`.

    `partition` is the daemon's, and `patterns` is `server.rolePatterns`.
    """

    def __init__(
        self,
        problems: Problems,
        partitions: Iterable[str],
        partition: str,
        *,
        patterns: bool,
        templates: dict[str, Template] | None = None,
    ) -> None:
        self._problems = problems
        self._rules = RuleReader(problems, partitions, path="", templates=templates)
        self._partition = partition
        self._patterns = patterns

    def role(self, node: Node) -> Rule | None:
        """Read an entry of `mapRoles`. Returns None if it is wrong."""
        self._rules.take_role(self._known(node, ROLE))
        return self._taken()

    def user(self, node: Node) -> Rule | None:
        """Read an entry of `mapUsers`. Returns None if it is wrong."""
        self._rules.take_user(self._known(node, USER))
        return self._taken()

    def _taken(self) -> Rule | None:
        return next(iter(finish(self._rules.choosing(self._partition, patterns=self._patterns))), None)

    def _known(self, node: Node, names: Names) -> Node:
        """Return the entry without unknown keys. Sources that use `userId` read it themselves."""
        if not isinstance(node, MappingNode):
            return node
        unknown = [written for key, (written, _) in node.entries.items() if key not in names]
        for written in unknown:
            self._problems.warn(written, f"{shown(written.text)} has no effect: rules have no such key")
        kept = {key: entry for key, entry in node.entries.items() if key in names and key != _USER_ID}
        return node._replace(entries=kept)


def user_id_of(node: Node) -> str:
    """Return the unique ID of an entry, `AROA…` or `AIDA…`, or an empty text."""
    _, value = node.entries.get(_USER_ID, (None, None)) if isinstance(node, MappingNode) else (None, None)
    return value.text if isinstance(value, Scalar) and not is_absent(value) else ""


def items_of(node: Node | None, name: str, problems: Problems) -> list[Node]:
    """Return the entries of a list. An absent one is empty."""
    if isinstance(node, SequenceNode):
        return node.nodes
    if node is not None and not isinstance(node, Broken) and not is_absent(node):
        problems.error(node, f"{name} must be a list: write each entry as `- …` below it")
    return []


def read_accounts(node: Node | None, problems: Problems) -> dict[str, str]:
    """Return the place of each account number in `mapAccounts`."""
    section = Section(MappingNode(0, 0, {}), "", {}, problems)
    accounts: dict[str, str] = {}
    for item in items_of(node, "mapAccounts", problems):
        number = section.read(item, "mapAccounts", account, None)
        if number is not None:
            accounts[number] = problems.where(item)
    return accounts


def node_of_json(value: object, depth: int = 0) -> Node:
    """Return a JSON value as a node without a place."""
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        entries = {matched(str(key)): (_text(str(key)), node_of_json(each, depth + 1)) for key, each in value.items()}
        return MappingNode(0, 0, entries)
    if isinstance(value, list) and depth < _MAX_DEPTH:
        return SequenceNode(0, 0, [node_of_json(each, depth + 1) for each in value])
    return Scalar(0, 0, "", plain=True) if value is None else _text(str(value))


def _text(text: str) -> Scalar:
    return Scalar(0, 0, text)
