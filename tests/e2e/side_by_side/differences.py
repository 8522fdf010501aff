"""The intended differences: the affected callers by source, settings file and section of differences.md."""

from __future__ import annotations

from collections.abc import Mapping

from tests.e2e.side_by_side.company import ACCOUNT, LEADING_ZERO, PARTNER, SCRUBBED

_OPERATOR = f"{ACCOUNT}:role/AWSReservedSSO_Operators_0123456789abcdef/carol@example.com"
_DEVELOPERS = (f"{ACCOUNT}:role/Developer/dev", f"{ACCOUNT}:role/Developer/dev@example.com")
_ADMINS = tuple(
    f"{ACCOUNT}:role/Admin/{session}"
    for session in ("alice", "alice@example.com", "i-0123456789abcdef0", "a=1,b.c_d-e", "a@b@c")
)

_MOUNTED_FILE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "session's name of callers without a session": {
        "Placeholders without a value": (f"{ACCOUNT}:user/bob", f"{PARTNER}:user/bob", f"{ACCOUNT}:root"),
    },
    "accounts without quotes": {
        "Account numbers that YAML reads as octal": (f"{LEADING_ZERO}:user/zoe", f"{LEADING_ZERO}:role/Admin/alice"),
    },
    "accounts between blanks": {
        "Blanks between accounts": (
            f"{PARTNER}:user/bob",
            f"{PARTNER}:root",
            f"{PARTNER}:federated-user/frank",
            f"{PARTNER}:role/Admin/alice",
            f"{PARTNER}:role/Auditor/audit-2026.11",
            f"{SCRUBBED}:user/secret",
            f"{SCRUBBED}:root",
            f"{SCRUBBED}:federated-user/frank",
            f"{SCRUBBED}:role/Admin/alice",
        ),
    },
    "reserved prefixes": {
        "Reserved prefixes and whole accounts": (
            f"{PARTNER}:user/bob",
            f"{PARTNER}:root",
            f"{PARTNER}:role/Admin/alice",
            f"{PARTNER}:role/Auditor/audit-2026.11",
        ),
    },
    "system names that callers choose": {"System names that callers choose": _ADMINS},
    "roles by their ARNs with paths": {"Roles with a path": (*_DEVELOPERS, _OPERATOR)},
    "lists with blanks around commas": {"Blanks around the commas of a list": _ADMINS},
    "numbers and booleans as names": {
        "Names that YAML reads as booleans or numbers": (f"{ACCOUNT}:user/bob", f"{PARTNER}:user/bob"),
    },
    "merge keys": {"Merge keys below other keys": (f"{ACCOUNT}:role/lower/session",)},
    "a rule without a user name": {"Rules without a user name": (*_ADMINS, f"{ACCOUNT}:role/lower/session")},
}
#: These differences also occur with the other sources.
_ANY_SOURCE = {
    name: _MOUNTED_FILE[name]
    for name in (
        "session's name of callers without a session",
        "reserved prefixes",
        "roles by their ARNs with paths",
    )
}

_RESERVED = {"Reserved prefixes of sources in the cluster": (*_ADMINS, f"{ACCOUNT}:user/bob")}
_AUDITOR = f"{PARTNER}:role/Auditor/audit-2026.11"

DIFFERENCES: Mapping[str, Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "MountedFile": _MOUNTED_FILE,
    "DynamicFile": {
        **_ANY_SOURCE,
        "unique IDs": {"Rules with a unique ID and another ARN": (f"{ACCOUNT}:role/lower/session",)},
    },
    "EKSConfigMap": {
        **_ANY_SOURCE,
        "reserved prefixes": {**_ANY_SOURCE["reserved prefixes"], **_RESERVED},
        "ARNs of sessions": {"ARNs of sessions in aws-auth": (*_ADMINS, _AUDITOR)},
    },
    "CRD": {**_ANY_SOURCE, "reserved prefixes": _RESERVED},
}
