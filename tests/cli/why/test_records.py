from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from authd.cli.why.records import Selection, read_records

ARN = "arn:aws:sts::111122223333:assumed-role/Admin/alice@example.com"
RECORD = {
    "time": "2026-11-27T10:00:00.000+00:00",
    "decision": "allowed",
    "reason": "allowed",
    "reference": "3f9a01c2",
    "arn": ARN,
    "canonical_arn": "arn:aws:iam::111122223333:role/Admin",
    "username": "admin:alice",
}
LINE = json.dumps(RECORD)


@pytest.mark.parametrize(
    "line",
    [
        LINE,
        f"Nov 27 10:00:00 cp authd[7]: {LINE}\n",
        f"[pod/authd-x/authd] {LINE}",
        json.dumps({"__CURSOR": "s=1", "MESSAGE": LINE, "PRIORITY": "4"}),
        json.dumps({"log": f"{LINE}\n", "stream": "stdout"}),
    ],
)
def test_a_decision_with_a_prefix(line):
    """A decision is found in a line with or without the prefixes of journalctl and kubectl, and in their JSON."""
    assert list(read_records([line], Selection())) == [RECORD]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "text with decision in it",
        '{"decision": "omitted", "reason": "foreign_token", "omitted": 7}',
        LINE[:-20],
        f"[{LINE}]x",
        json.dumps({"MESSAGE": LINE[:-20]}),
        json.dumps({"MESSAGE": [1], "log": 7, "text": "decision"}),
        '"decision": {"reference": "3f9a01c2"}',
        '{"decision":' * 100_000,
    ],
)
def test_other_lines(line):
    """Lines without a decision, and truncated lines, are skipped."""
    assert list(read_records([line, LINE], Selection())) == [RECORD]


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (Selection(reference="3f9a01c2"), True),
        (Selection(reference="3f9a01c3"), False),
        (Selection(user="ADMIN:alice"), True),
        (Selection(user="alice@example.com"), True),
        (Selection(user=ARN), True),
        (Selection(user="arn:aws:iam::111122223333:role/admin"), True),
        (Selection(user="alice"), False),
        (Selection(since=datetime(2026, 11, 27, 10, tzinfo=UTC)), True),
        (Selection(since=datetime(2026, 11, 27, 11, tzinfo=UTC)), False),
        (Selection(user="admin:alice", since=datetime(2026, 11, 27, 11, tzinfo=UTC)), False),
    ],
)
def test_selection(selection, found):
    """A decision is selected by its reference, by a name or an ARN in upper or lower case, and by its time."""
    assert bool(list(read_records([LINE], selection))) is found


@pytest.mark.parametrize("name", ["Zoë", "ZOË", 'a"b\\c'])
def test_other_names(name):
    """A name with other letters, or with characters that JSON escapes, is found."""
    line = json.dumps({**RECORD, "username": "zoë" if name.upper() == "ZOË" else name})
    assert len(list(read_records([line, LINE], Selection(user=name)))) == 1


def test_a_record_without_a_time():
    """A record whose time can't be parsed is older than any `since`."""
    line = json.dumps({**RECORD, "time": "noon"})
    assert list(read_records([line], Selection(since=datetime(2000, 1, 1, tzinfo=UTC)))) == []
