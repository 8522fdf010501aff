"""Reads single rules of sources other than the settings file: dynamic files, ConfigMaps and custom resources.

Unknown keys are only warnings, because aws-iam-authenticator, for which these sources are written, ignores them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

from authd.config.document.nodes import Broken, MappingNode, Node, Scalar, SequenceNode, is_absent, matched, shown
from authd.config.document.problems import Problems
from authd.config.fields.schema import ROLE, USER, Names
from authd.config.fields.section import Section
from authd.config.fields.values import account
from authd.config.rules.reader import RuleReader
from authd.config.rules.validity import slip_for_validity, slip_message
from authd.core.cooperative import finish
from authd.core.mapping.rules import Rule
from authd.core.mapping.templates import Template

_USER_ID = "userid"
_MAX_DEPTH = 20
#: Accounts per step: under 2 ms.
_ACCOUNTS_PER_STEP = 500


class EntryReader:
    """Reads rules one by one. Their errors and warnings are added to `problems`.

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
        return self._read(self._rules.add_role, node, ROLE)

    def user(self, node: Node) -> Rule | None:
        """Read an entry of `mapUsers`. Returns None if it is wrong."""
        return self._read(self._rules.add_user, node, USER)

    def _read(self, add: Callable[[Node], None], node: Node, names: Names) -> Rule | None:
        errors = self._problems.error_count
        add(self._known(node, names))
        rules = finish(self._rules.choosing(self._partition, patterns=self._patterns))
        # A rule with a wrong name or time must not come into force without that name or time.
        return next(iter(rules), None) if self._problems.error_count == errors else None

    def _known(self, node: Node, names: Names) -> Node:
        """Return an entry without unknown keys and `userId`, which the sources that use it read themselves."""
        if not isinstance(node, MappingNode):
            return node
        unknown = [written for key, (written, _) in node.entries.items() if key not in names]
        for written in unknown:
            meant = slip_for_validity(written.text)
            if meant:
                self._problems.error(written, slip_message(written.text, meant))
                continue
            self._problems.warn(written, f"{shown(written.text)} has no effect: rules have no such key")
        kept = {key: entry for key, entry in node.entries.items() if key in names and key != _USER_ID}
        return node._replace(entries=kept)


def user_id_of(node: Node) -> str:
    """Return the unique ID of an entry, such as `AROA…`, an empty text if it has none."""
    _, value = node.entries.get(_USER_ID, (None, None)) if isinstance(node, MappingNode) else (None, None)
    return value.text if isinstance(value, Scalar) and not is_absent(value) else ""


def items_of(node: Node | None, name: str, problems: Problems) -> Iterator[Node]:
    """Remove the entries from a list and yield them one by one. An absent list is empty.

    Freeing thousands of entries at once would delay reviews.
    """
    if isinstance(node, SequenceNode):
        node.nodes.reverse()
        while node.nodes:
            yield node.nodes.pop()
    elif node is not None and not isinstance(node, Broken) and not is_absent(node):
        problems.error(node, f"{name} must be a list: write each entry as `- …` below it")


def reading_accounts(node: Node | None, problems: Problems) -> Generator[None, None, dict[str, str]]:
    """Read `mapAccounts` in steps. Returns the place of each account number."""
    section = Section(MappingNode(0, 0, {}), "", {}, problems)
    accounts: dict[str, str] = {}
    for count, item in enumerate(items_of(node, "mapAccounts", problems), start=1):
        number = None if is_absent(item) else section.read(item, "mapAccounts", account, None)
        if number is not None:
            accounts[number] = problems.where(item)
        if count % _ACCOUNTS_PER_STEP == 0:
            yield
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
