"""`authd diff OLD NEW`: the rules and the identities that a change of the settings admits, shuts out or changes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from authd.cli.explain import identity_of
from authd.cli.shared.errors import CommandError
from authd.cli.shared.output import add_output_option, counted, print_json, print_text, visible
from authd.cli.shared.settings_file import read_settings
from authd.cli.why.log_lines import file_lines
from authd.cli.why.records import Selection, read_records
from authd.config.settings import Loaded, Settings
from authd.core.arn import PrincipalArn
from authd.core.errors import Denied
from authd.core.mapping.rules import PermissionSet, RolePattern, Rule
from authd.core.mapping.table import MappingTable

_SAME, _DIFFERENT = 0, 1
#: The user name that an account's rule gives, and a rule without a user name.
_ITS_ARN = "its ARN"
_SIGNS = {"gained": "+", "lost": "-", "changed": "~"}

#: A user: its name and groups, or None for somebody without access. `where` is the rule's place.
Outcome = Mapping[str, Any] | None

_DESCRIPTION = """\
Compare two settings files: which rules are gained (+), lost (-) or changed (~), and which other settings differ. With
--identities, also the identities of a log whose user name or groups differ. It needs no network, AWS or cluster.
"""
_EPILOG = """\
examples:
  authd diff /etc/authd/config.yaml new.yaml
  authd diff old.yaml new.yaml --identities /var/log/authd/audit.jsonl --fail-on losses
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd diff`."""
    parser = subparsers.add_parser(
        "diff",
        help="show the logins that a change of the mappings adds, removes or changes",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("old", metavar="OLD", help="the settings file before the change")
    parser.add_argument("new", metavar="NEW", help="the settings file after the change")
    parser.add_argument(
        "--identities", metavar="AUDITLOG", action="append", default=[],
        help="an audit log or a log with JSON lines, - for standard input; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--fail-on", choices=("any", "losses"), default="any", help="which differences give the exit status 1 (any)"
    )
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Compare the files and print the differences."""
    old, new = read_settings(args.old, {}), read_settings(args.new, {})
    rules = _changes("subject", _rules(old.table), _rules(new.table))
    identities = _changes("arn", *_outcomes(args.identities, old, new))
    settings = _settings(old.settings, new.settings)
    if args.output == "json":
        print_json({"rules": rules, "identities": identities, "settings": settings})
    else:
        _print(args, rules, identities, settings)
    if args.fail_on == "losses":
        return _DIFFERENT if any(each["change"] == "lost" for each in [*rules, *identities]) else _SAME
    return _DIFFERENT if rules or identities or settings else _SAME


def _rules(table: MappingTable) -> dict[str, Outcome]:
    """Return what each rule gives, by the ARN, pattern, permission set or account that it is for."""
    rules: dict[str, Outcome] = {}
    for rule in table.rules():
        rules[_unused(_subject(rule), rules)] = {
            "username": _ITS_ARN if rule.username is None else rule.username.text,
            "groups": [group.text for group in rule.groups],
            "where": rule.where,
            **rule.validity.members(),
        }
    for account, where in table.accounts.items():
        rules[f"every role and user of account {account}"] = {"username": _ITS_ARN, "groups": [], "where": where}
    return rules


def _unused(subject: str, rules: Mapping[str, Outcome]) -> str:
    """Return a subject, with a number if it has a rule already: of several, each is in force at a time of its own."""
    names = (subject, *(f"{subject} (rule {number})" for number in range(2, len(rules) + 2)))
    return next(name for name in names if name not in rules)


def _subject(rule: Rule) -> str:
    if isinstance(rule.subject, PrincipalArn):
        return rule.subject.canonical
    if isinstance(rule.subject, PermissionSet):
        return f"permission set {rule.subject.name} in account {rule.subject.account}"
    if isinstance(rule.subject, RolePattern):
        return f"arn:{rule.subject.partition}:iam::{rule.subject.account}:role/{rule.subject.name}"
    return rule.subject.text


def _outcomes(files: list[str], old: Loaded, new: Loaded) -> tuple[dict[str, Outcome], dict[str, Outcome]]:
    """Return what both files give each identity of the logs. Identities of scrubbed accounts are unknown."""
    now = time.time()
    arns = {str(record["arn"]) for record in read_records(file_lines(files), Selection()) if record.get("arn")}
    outcomes: tuple[dict[str, Outcome], dict[str, Outcome]] = ({}, {})
    for arn in sorted(arns):
        for loaded, found in zip((old, new), outcomes, strict=True):
            try:
                user = loaded.table.explain(identity_of(arn, None, loaded.settings), now)
            except (Denied, CommandError):
                found[arn] = None
            else:
                found[arn] = {"username": user.username, "groups": list(user.groups), "where": user.rule}
    return outcomes


def _changes(kind: str, old: Mapping[str, Outcome], new: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    changes = []
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if _given(before) != _given(after):
            change = "gained" if before is None else "lost" if after is None else "changed"
            changes.append({"change": change, kind: name, "old": before, "new": after})
    return changes


def _given(outcome: Outcome) -> object:
    """Return what counts in a comparison. The order of groups and the place of the rule do not."""
    if outcome is None:
        return None
    return outcome["username"], frozenset(outcome["groups"]), outcome.get("validFrom"), outcome.get("validUntil")


def _settings(old: Settings, new: Settings) -> list[dict[str, Any]]:
    before, after = _values(old), _values(new)
    return [
        {"setting": name, "old": before.get(name, ""), "new": after.get(name, "")}
        for name in dict.fromkeys([*before, *after])
        if before.get(name, "") != after.get(name, "")
    ]


def _values(settings: Settings) -> dict[str, str]:
    """Return the settings apart from mappings as texts, by their paths."""
    values = {Settings.spelled(field.name): getattr(settings, field.name) for field in fields(settings)}
    for section in ("sts", "tracing"):
        values |= _section_values(section, values.pop(f"server.{section}"))
    return {path: _text(value) for path, value in values.items()}


def _section_values(section: str, settings: Any) -> dict[str, Any]:
    """Return the settings of a section by their paths, none if it is absent."""
    values = {}
    for field in fields(settings) if settings is not None else ():
        path = Settings.spelled(f"{section}_{field.name}").removeprefix(f"server.{section}")
        values[f"server.{section}.{path[0].lower()}{path[1:]}".replace("Ttl", "TTL")] = getattr(settings, field.name)
    return values


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(item)}" for name, item in value.items())
    if isinstance(value, list | tuple | frozenset):
        texts = map(_text, value)
        return ", ".join(sorted(texts) if isinstance(value, frozenset) else texts)
    return "" if value is None else str(value)


def _print(
    args: argparse.Namespace,
    rules: list[dict[str, Any]],
    identities: list[dict[str, Any]],
    settings: list[dict[str, Any]],
) -> None:
    parts = [("rules", "subject", rules)]
    if args.identities:
        parts.append(("identities", "arn", identities))
    for title, kind, changes in parts:
        counts = ", ".join(f"{sum(c['change'] == change for c in changes)} {change}" for change in _SIGNS)
        print_text(f"{title}: {counts}")
        for change in changes:
            print_text(_line(change, change[kind]))
    if settings:
        print_text(counted(len(settings), "other setting"))
    for each in settings:
        print_text(f"  ~ {each['setting']}: {visible(each['old'])} → {visible(each['new'])}")


def _line(change: dict[str, Any], name: str) -> str:
    old, new = change["old"], change["new"]
    told = " → ".join(_user(outcome) for outcome in (old, new) if outcome is not None)
    return visible(f"  {_SIGNS[change['change']]} {name}: {told} ({(new or old)['where']})")


def _user(outcome: Mapping[str, Any]) -> str:
    times = "".join(f" {name} {outcome[name]}" for name in ("validFrom", "validUntil") if name in outcome)
    return f"{outcome['username']} [{', '.join(outcome['groups'])}]{times}"
