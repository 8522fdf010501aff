"""aws-iam-authenticator and authd return the same user for the mappings of one dynamic file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from authd.emulator.directory.principals import unique_id
from tests.e2e.side_by_side.pair import Company, both
from tests.e2e.side_by_side.sources import CANARY_ARN, NAMES, dynamic_file, other_settings

ADMIN = "arn:aws:iam::111122223333:role/Admin"
LOWER = "arn:aws:iam::111122223333:role/lower"
UPPER = "arn:aws:iam::111122223333:role/UPPER"
BOB = "arn:aws:iam::111122223333:user/bob"


@pytest.mark.parametrize("name", NAMES)
def test_both_return_the_same_user(name: str, company: Company, tmp_path: Path) -> None:
    """Name, groups, UID and extra are the same for every caller, except for the documented differences."""
    file = tmp_path / "dynamic.json"
    file.write_text(dynamic_file(name))
    with both(company, tmp_path, other_settings(name, "DynamicFile", dynamicFilePath=str(file))) as pair:
        pair.check_soon("DynamicFile", name)


def test_both_match_by_unique_id(company: Company, tmp_path: Path) -> None:
    """With `dynamicFileUserIDStrict` both match the unique ID. For authd the ARN beside it must match too."""

    def rule(kind: str, arn: str, unique: str, username: str) -> dict[str, object]:
        return {f"{kind}arn": arn, "userid": unique, "username": username, "groups": [username]}

    roles = [
        rule("role", ADMIN, unique_id("AROA", ADMIN), "admin-{{SessionName}}"),
        rule("role", UPPER, unique_id("AROA", LOWER), "mixed"),
        rule("role", "arn:aws:iam::444455556666:role/Auditor", "AROA00000000000000000", "auditor"),
    ]
    users = [
        rule("user", BOB, unique_id("AIDA", BOB), "bob"),
        rule("user", CANARY_ARN, unique_id("AIDA", CANARY_ARN), "canary"),
    ]
    file = tmp_path / "dynamic.json"
    file.write_text(json.dumps({"mapRoles": roles, "mapUsers": users, "mapAccounts": ["777788889999"]}))
    name = "roles and users"
    settings = other_settings(name, "DynamicFile", dynamicFilePath=str(file), dynamicFileUserIDStrict="true")
    with both(company, tmp_path, settings) as pair:
        pair.check_soon("DynamicFile", "unique IDs")
