"""Explains why a text is not the ARN of a principal. The explanation continues the setting's name.

Source: AWS, "IAM identifiers" and "Amazon Resource Names (ARNs)".
"""

from __future__ import annotations

import re
from operator import itemgetter

from authd.config.document.nodes import shown
from authd.core.arn import MAX_ARN_LENGTH

_EXAMPLE = "such as arn:aws:iam::111122223333:role/Name"
_FIELDS = 6
#: The field of the service.
_SERVICE = 2
_ACCOUNT_DIGITS = 12
_MAX_NAME_LENGTH = 64

_PLACEHOLDER = re.compile(
    r"<[^<>]*>|\$?\{\{?[^{}]*\}?\}|\$\([^()]*\)|%\([^()]*\)s|\[\[?[^\[\]]*\]?\]|\$[A-Za-z_]\w*|%[A-Z_]{3,}%|@[A-Z_]{3,}@"
)
#: Two wrong spellings of an account's number, of which the second one is Helm's.
HYPHENATED_ACCOUNT = re.compile(r"[0-9]{4}-[0-9]{4}-[0-9]{4}")
SCIENTIFIC = re.compile(r"[0-9](?:\.[0-9]*)?[eE]\+?[0-9]{1,2}")
_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]+")
_PARTITION = re.compile(r"[a-z][a-z0-9-]{1,31}")
_CLOUD_PARTITION = re.compile(r"aws(?:-[a-z]+)*")

#: IAM resources that can't sign requests, and what to write instead.
_NO_PRINCIPALS = {
    "instance-profile": "is an instance profile: write the role in it, arn:{0}:iam::{1}:role/{2}",
    "group": "is an IAM group, which can't sign requests: write its users under mapUsers, or a role that they assume",
    "policy": "is a policy: write the role or user that has it",
    "saml-provider": "is a SAML provider: write the role that its users assume",
    "oidc-provider": "is an OIDC provider: write the role that its users assume",
    "server-certificate": "is a server certificate: write a role or user",
    "mfa": "is an MFA device: write its user, arn:{0}:iam::{1}:user/{2}",
}


def arn_fault(text: str) -> str:
    """Return what is wrong with an invalid ARN, such as "has a space at its end: remove it"."""
    faults = (_surroundings, _placeholder, _invisible, _prefix, partition_fault, _shape, _account, _resource)
    return next((fault for find in faults if (fault := find(text))), f"is not the ARN of a principal ({_EXAMPLE})")


def _surroundings(text: str) -> str:
    if not text.strip():
        return f"has white space only: write an ARN, {_EXAMPLE}"
    if len(text) > MAX_ARN_LENGTH:
        return f"is longer than any ARN ({MAX_ARN_LENGTH} characters)"
    if text != text.strip():
        place = "at its end" if text == text.lstrip() else "at its beginning"
        return f"has {_white_space(text)} {place}: remove it"
    if text[0] in "\"'`" or text[-1] in "\"'`":
        return "has quotation marks in its text: quote it once"
    return ""


def _invisible(text: str) -> str:
    for character in text:
        if character.isspace():
            return f"has {_white_space(character)} inside: remove it"
        if not character.isprintable():
            return f"has the invisible character U+{ord(character):04X} in it: remove it"
    return ""


def _white_space(text: str) -> str:
    around = text[: len(text) - len(text.lstrip())] + text[len(text.rstrip()) :]
    if "\n" in around or "\r" in around:
        return "a line break (a block text that begins with `|` or `>` ends with one)"
    if "\t" in around:
        return "a tab"
    return "a space" if set(around) == {" "} else f"the space U+{ord(around.strip(' ')[0]):04X}"


def _placeholder(text: str) -> str:
    found = _PLACEHOLDER.search(text)
    return f"still has the placeholder {shown(found[0])}: fill it in" if found else ""


def _prefix(text: str) -> str:
    if text.startswith("arn:"):
        return ""
    if text.lower().startswith("arn:"):
        return "must begin with arn: in lower case"
    if text.isdigit():
        return "is a number, not an ARN: write the 12 digits of a whole account under mapAccounts"
    return f"is not an ARN, which begins with arn: ({_EXAMPLE})"


def partition_fault(text: str) -> str:
    """Return what is wrong with an ARN's partition, an empty text if AWS may have it."""
    partition = text.split(":")[1]
    if not _PARTITION.fullmatch(partition):
        return f"has {shown(partition)!r} for the partition: write aws, aws-cn, aws-us-gov or another one of AWS's"
    if not _CLOUD_PARTITION.fullmatch(partition):
        return f"names the partition {shown(partition)}, which AWS does not have: write aws, aws-cn or aws-us-gov"
    return ""


def _shape(text: str) -> str:
    fields = text.split(":", _FIELDS - 1)
    service = fields[2] if len(fields) > _SERVICE else "iam"
    if service not in {"iam", "sts"}:
        return _service(service)
    if len(fields) < _FIELDS:
        return f"has {len(fields) - 1} colons instead of {_FIELDS - 1}: the account comes after `::` ({_EXAMPLE})"
    if fields[3]:
        return f"has {shown(fields[3])} in place of a region: IAM's ARNs have `::` there"
    return ""


def _service(service: str) -> str:
    if service.lower() in {"iam", "sts"}:
        return f"must have the service {service.lower()} in lower case"
    if service == "sso":
        return "is the ARN of a permission set: write sso with permissionSetName and accountID in its place"
    return f"is the ARN of the service {shown(service)}: principals have ARNs of iam or sts ({_EXAMPLE})"


def _account(text: str) -> str:
    account = text.split(":")[4]
    if not account:
        return "has no account: write its 12 digits before the last colon"
    if HYPHENATED_ACCOUNT.fullmatch(account):
        return f"has the account {account}: write its number without hyphens"
    if SCIENTIFIC.fullmatch(account):
        return f"has the account {account}, as Helm writes large numbers: write its 12 digits as a string in the values"
    if not (account.isascii() and account.isdigit()):
        return f"still has a placeholder, {shown(account)}, in place of the account's 12 digits: fill it in"
    if len(account) != _ACCOUNT_DIGITS:
        hint = ", and zeros at the beginning count" if len(account) < _ACCOUNT_DIGITS else ""
        return f"has the account {shown(account)} with {len(account)} digits: an account has 12 digits{hint}"
    return ""


def _resource(text: str) -> str:
    partition, service, account, resource = itemgetter(1, 2, 4, 5)(text.split(":", _FIELDS - 1))
    kind, _, rest = resource.partition("/")
    name = rest.rpartition("/")[2] or "NAME"
    if kind in _NO_PRINCIPALS:
        return _NO_PRINCIPALS[kind].format(partition, account, shown(name))
    if kind == "assumed-role":
        return _session(partition, service, account, rest)
    if kind in {"role", "user", "federated-user"}:
        return _principal(service, kind, rest)
    return _unknown_kind(kind) or f"must be arn:{partition}:iam::{account}:root to name the account's root"


def _unknown_kind(kind: str) -> str:
    if kind == "root":
        return ""
    if kind.lower() != kind and kind.lower() in {"role", "user", "root", *_NO_PRINCIPALS}:
        return f"must have {kind.lower()} in lower case"
    if kind.partition(":")[0] in {"role", "user"}:
        return "has a colon instead of a slash: write role/Name or user/Name"
    return f"names {shown(kind) if kind else 'nothing'}, which is not a kind of principal: write role/Name or user/Name"


def _session(partition: str, service: str, account: str, rest: str) -> str:
    parts = rest.split("/")
    role = f"arn:{partition}:iam::{account}:role/{shown(parts[0]) if parts[0] else 'NAME'}"
    if service == "iam":
        return f"is a session's ARN with the service iam: write its role, {role}"
    if len(parts) == 1 or not parts[1]:
        return f"is a session's ARN without the session's name: write its role, {role}"
    return f"is not a valid session's ARN: write its role, {role}"


def _principal(service: str, kind: str, rest: str) -> str:
    name = rest.rpartition("/")[2]
    home = "sts" if kind == "federated-user" else "iam"
    if service != home:
        return f"has the service {service}: the ARN of a {kind} has {home}"
    if not name:
        return f"ends without the {kind}'s name"
    if len(name) > _MAX_NAME_LENGTH:
        return f"has a name of {len(name)} characters: IAM's names have up to {_MAX_NAME_LENGTH}"
    wrong = next((character for character in name if not _NAME.fullmatch(character)), "")
    if wrong:
        return f"has the character {wrong} in the name, which IAM does not allow there"
    return f"has a path that IAM does not allow: write arn:…:{kind}/path/Name"
