"""Reads the dynamic file of aws-iam-authenticator: JSON or YAML with `mapRoles`, `mapUsers` and `mapAccounts`.

Its other keys (`LastUpdatedDateTime`, `Version`, `ClusterID`) are for the program that writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable

from authd.config.document.decoding import Unreadable, decoding
from authd.config.document.nodes import Broken, MappingNode, Node, Scalar, is_absent, shown
from authd.config.document.problems import Problems
from authd.config.document.tree import reading_tree
from authd.config.rules.entries import EntryReader, items_of, reading_accounts, user_id_of
from authd.core.mapping.reserved import ReservedPrefixes
from authd.core.mapping.rules import Rule, TimedRule
from authd.core.mapping.table import MappingTable, building_table
from authd.core.mapping.user_ids import IdentifiedRule, UserIDTable, parse_user_id, timetable_by_id

_LISTS = frozenset({"maproles", "mapusers", "mapaccounts"})
_IGNORED = frozenset({"lastupdateddatetime", "version", "clusterid"})
_RULES_PER_STEP = 50
#: An escape in a JSON text. Its group is a surrogate pair (RFC 8259, section 7).
_ESCAPE = re.compile(r"\\(?:(ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})|.)", re.IGNORECASE | re.DOTALL)
#: Placeholders for the ARN of a rule that has only an ID. Such principals can't exist.
_NO_ARN = {
    "userarn": Scalar(0, 0, "arn:aws:iam::000000000000:user/none"),
    "rolearn": Scalar(0, 0, "arn:aws:iam::000000000000:role/none"),
}


def reading_dynamic_file(
    content: bytes,
    problems: Problems,
    partitions: Iterable[str],
    *,
    partition: str,
    patterns: bool,
    strict: bool,
    reserved: ReservedPrefixes,
) -> Generator[None, None, MappingTable]:
    """Read the file in steps. With `strict`, callers match by unique ID. Raises `InvalidSettings` with every error."""
    try:
        root = yield from reading_tree(_paired((yield from decoding(content))), problems, {})
    except Unreadable as fault:
        problems.error(fault, fault.message)
        raise problems.failure() from None
    members = _members(root, problems)
    reader = EntryReader(problems, partitions, partition, patterns=patterns)
    rules: list[Rule] = []
    identified: dict[str, IdentifiedRule] = {}
    lists = (("mapUsers", "userarn", reader.user), ("mapRoles", "rolearn", reader.role))
    for name, arn, read in lists:
        for count, node in enumerate(items_of(members.get(name.lower()), name, problems)):
            if strict:
                rule = read(_with_arn(node, arn))
                _identify(node, rule, arn, identified, problems)
            else:
                rule = read(node)
                rules += [rule] if rule is not None else []
            if count % _RULES_PER_STEP == 0:
                yield
    accounts = yield from reading_accounts(members.get("mapaccounts"), problems)
    problems.raise_errors()
    if strict:
        return UserIDTable(
            exact={},
            by_id=identified,
            accounts=accounts,
            reserved=reserved,
            timetable=timetable_by_id(identified),
        )
    return (yield from building_table(rules, accounts, reserved))


def _paired(text: str) -> str:
    """Return a JSON text with its surrogate pairs as characters. YAML has no escapes for them."""
    if not text.lstrip().startswith("{") or ("\\ud" not in text and "\\uD" not in text):
        return text
    return _ESCAPE.sub(lambda escape: json.loads(f'"{escape[0]}"') if escape[1] else escape[0], text)


def _members(root: Node, problems: Problems) -> dict[str, Node]:
    if isinstance(root, MappingNode):
        for key, (written, _) in root.entries.items():
            if key not in _LISTS | _IGNORED:
                problems.warn(written, f"{shown(written.text)} has no effect in a dynamic file")
        return {key: node for key, (_, node) in root.entries.items()}
    if not is_absent(root) and not isinstance(root, Broken):
        problems.error(root, "a dynamic file must be a mapping with mapRoles, mapUsers and mapAccounts")
    if is_absent(root):
        problems.error(root, "the dynamic file is empty")  # it is probably being written
    raise problems.failure()


def _with_arn(node: Node, name: str) -> Node:
    """Add a placeholder ARN to an entry that has only an ID."""
    if not isinstance(node, MappingNode) or not user_id_of(node):
        return node
    _, arn = node.entries.get(name, (None, None))
    if "sso" in node.entries or (arn is not None and not is_absent(arn)):
        return node
    return node._replace(entries={**node.entries, name: (_NO_ARN[name], _NO_ARN[name])})


def _identify(
    node: Node, rule: Rule | None, arn: str, identified: dict[str, IdentifiedRule], problems: Problems
) -> None:
    if rule is None:
        return
    try:
        user_id = parse_user_id(user_id_of(node))
    except ValueError as error:
        problems.error(node, f"userId {error}: server.dynamicFileUserIDStrict needs it")
        return
    earlier = identified.get(user_id)
    if earlier is not None and not isinstance(rule, TimedRule):
        problems.warn(node, f"userId {user_id} is already used at {earlier.rule.where}: this rule replaces it")
    _, written = node.entries.get(arn, (None, None)) if isinstance(node, MappingNode) else (None, None)
    has_arn = written is not None and not is_absent(written)
    found = IdentifiedRule(rule, rule.subject.key if has_arn else "")
    identified[user_id] = found.preceding(earlier)
