"""Reads `validFrom` and `validUntil` of a rule."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from authd.config.document.nodes import matched, shown
from authd.config.fields.section import Section
from authd.config.fields.values import utc_time
from authd.core.errors import Problem
from authd.core.mapping.rules import Rule
from authd.core.mapping.validity import ALWAYS, Validity, time_text

VALID_FROM, VALID_UNTIL = "validFrom", "validUntil"
#: A rule that ends within this time, a week, has a warning.
SOON_SECONDS = 7 * 86_400.0
#: Least similarity (0 to 1) at which an unknown key counts as a misspelling of these. Ignored, it would leave the rule
#: without a limit.
_ALIKE = 0.75


def read_validity(rule: Section) -> Validity | None:
    """Read the period of a rule. Returns None if it is wrong: the rule must not be in force without its limits."""
    if not rule.has(VALID_FROM) and not rule.has(VALID_UNTIL):
        return ALWAYS
    start, end = _limit(rule, VALID_FROM, ALWAYS.start), _limit(rule, VALID_UNTIL, ALWAYS.end)
    if start is None or end is None:
        return None
    if start >= end:
        place = rule.node_of(VALID_UNTIL) or rule.node
        rule.problems.error(place, f"{rule.path}{VALID_UNTIL} must be after {VALID_FROM}, {time_text(start)}")
        return None
    validity = Validity(start=start, end=end)
    return ALWAYS if validity == ALWAYS else validity


def _limit(rule: Section, name: str, default: float) -> float | None:
    """Return a limit, None if it is wrong. A null means no limit. An empty text is an error: its time may be lost."""
    node = rule.node_of(name)
    if node is not None:
        return rule.read(node, name, utc_time, None)
    if rule.is_empty(name):
        rule.problems.error(
            rule.node, f"{rule.path}{name} is empty: write a time such as 2030-12-31T18:00:00Z, or null"
        )
        return None
    return default


def time_warnings(rules: Iterable[Rule], now: float) -> Iterator[Problem]:
    """Yield a warning for each rule that is not in force at the Unix time `now`, or ends within `SOON_SECONDS`."""
    for rule in rules:
        validity = rule.validity
        if not validity.includes(now):
            remedy = (
                "set another validUntil, or remove the rule" if now >= validity.end else "until then it has no effect"
            )
            yield _at(rule.where, f"the rule {validity.fault_at(now)}: {remedy}")
        elif validity.end - now < SOON_SECONDS:
            yield _at(rule.where, f"the rule ends soon, at {time_text(validity.end)}")


def _at(where: str, message: str) -> Problem:
    file, line, column = where.rsplit(":", 2)
    return Problem(file=file, line=int(line), column=int(column), message=message)


def slip_for_validity(key: str) -> str:
    """Return the key of which an unknown key is probably a misspelling, or an empty text."""
    known = {matched(name): name for name in (VALID_FROM, VALID_UNTIL)}
    near = difflib.get_close_matches(matched(key[:64]).replace("_", "").replace("-", ""), known, n=1, cutoff=_ALIKE)
    return known[near[0]] if near else ""


def slip_message(key: str, meant: str) -> str:
    """Return the error message for a misspelled key."""
    return f"{shown(key)} is not a key of a rule: did you mean {meant}? Without it the rule would have no limit in time"
