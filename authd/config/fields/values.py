"""Readers of single values. Each takes a text and returns a checked value or raises `InvalidValue`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from authd.config.fields.arn_faults import HYPHENATED_ACCOUNT, SCIENTIFIC, arn_fault
from authd.core.arn import InvalidArn, PrincipalKind, parse_arn
from authd.core.mapping.validity import parse_time
from authd.core.partitions import REGION

#: Longer than any name in Kubernetes or AWS.
MAX_NAME_LENGTH = 1024
#: Linux's PATH_MAX.
_MAX_PATH_LENGTH = 4096

_CLUSTER_ID = re.compile(r"[!-~](?:[ -~]{0,1022}[!-~])?")
#: Numbers in YAML's notations, such as 21_362, 21362.0 and 0x5372. A leading zero, YAML's octal, is refused.
_INTEGER = re.compile(r"(0|[1-9](?:_?[0-9]){0,12})(?:\.0{1,9})?|(0x[0-9a-fA-F]{1,8})")
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|ms|m|s))+")
_DURATION_PART = re.compile(r"([0-9.]+)(h|ms|m|s)")
_PLAIN_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SHARE = re.compile(r"0(?:\.[0-9]{1,9})?|1(?:\.0{1,9})?")
_ACCOUNT_DIGITS = 12
_ACCOUNT = re.compile(r"[0-9]{12}")
_UNDERSCORED = re.compile(r"[0-9]+(?:_[0-9]+)+")
_DIGITS = re.compile(r"[0-9]+")
#: The words of YAML 1.1 and of Go's ParseBool.
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "t", "1"), True),
    **dict.fromkeys(("false", "no", "off", "f", "0"), False),
}

Choice = TypeVar("Choice", bound=str)


class InvalidValue(ValueError):
    """The text is not a value of this setting. The message continues the setting's name ("must be …")."""


def cluster_id(text: str) -> str:
    """Read a cluster's ID: printable ASCII without spaces around it, since it is sent in an HTTP header."""
    if not _CLUSTER_ID.fullmatch(text):
        raise InvalidValue("must be 1 to 1024 printable ASCII characters without a space at either end")
    return text


def name(text: str) -> str:
    """Read a name of 1 to `MAX_NAME_LENGTH` printable characters."""
    if not 0 < len(text) <= MAX_NAME_LENGTH:
        raise InvalidValue(f"must have 1 to {MAX_NAME_LENGTH} characters")
    if not text.isprintable():
        raise InvalidValue("must not have control or other invisible characters")
    return text


def boolean(text: str) -> bool:
    """Read true or false."""
    value = _BOOLEANS.get(text.lower()) if text.isascii() else None
    if value is None:
        raise InvalidValue("must be true or false")
    return value


def integer(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers within bounds."""

    def read(text: str) -> int:
        match = _INTEGER.fullmatch(text)
        number = -1 if match is None else int((match[1] or match[2]).replace("_", ""), 0)
        if not least <= number <= most:
            raise InvalidValue(f"must be a whole number from {least} to {most}")
        return number

    return read


def duration(least: float, most: float) -> Callable[[str], float]:
    """Return a reader of durations such as `5s`, `500ms` or `1m30s`, within bounds in seconds."""

    def read(text: str) -> float:
        if _PLAIN_NUMBER.fullmatch(text):
            raise InvalidValue(f"needs a unit, such as {text[:9]}s, {text[:9]}ms or {text[:9]}m")
        if not _DURATION.fullmatch(text):
            raise InvalidValue("must be a duration, such as 5s, 500ms or 2m")
        seconds = sum(float(amount) * _SECONDS[unit] for amount, unit in _DURATION_PART.findall(text))
        if not least <= seconds <= most:
            raise InvalidValue(f"must be a duration from {least:g}s to {most:g}s")
        return seconds

    return read


def share(text: str) -> float | None:
    """Read a share from 0 to 1, or `off`."""
    if text == "off":
        return None
    if not _SHARE.fullmatch(text):
        raise InvalidValue("must be a number from 0 to 1, such as 0.5, or off")
    return float(text)


def ratio(text: str) -> float:
    """Read a number from 0 to 1."""
    if not _SHARE.fullmatch(text):
        raise InvalidValue("must be a number from 0 to 1, such as 0.1")
    return float(text)


def one_of(choices: Iterable[Choice]) -> Callable[[str], Choice]:
    """Return a reader that accepts one of several words, such as an enumeration's."""
    by_word = {str(choice): choice for choice in choices}

    def read(text: str) -> Choice:
        if text not in by_word:
            raise InvalidValue(f"must be {listed(by_word)}")
        return by_word[text]

    return read


def listed(words: Iterable[str]) -> str:
    """Join words as alternatives in a sentence: `a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def account(text: str) -> str:
    """Read an AWS account's number. Leading zeros count. Underscores between digits are dropped, as in YAML."""
    if _UNDERSCORED.fullmatch(text):
        text = text.replace("_", "")
    if HYPHENATED_ACCOUNT.fullmatch(text):
        raise InvalidValue("must be an AWS account's number without hyphens")
    if SCIENTIFIC.fullmatch(text):
        raise InvalidValue("is in scientific notation, as Helm writes large numbers: write the 12 digits as a string")
    if not _ACCOUNT.fullmatch(text):
        lost = "; zeros at the beginning were lost" if _DIGITS.fullmatch(text) and len(text) < _ACCOUNT_DIGITS else ""
        raise InvalidValue(f"must be an AWS account's number of 12 digits{lost}")
    return text


def utc_time(text: str) -> float:
    """Read a time in UTC, or a date, which means its first second. Returns Unix seconds."""
    try:
        return parse_time(text)
    except ValueError as wrong:
        raise InvalidValue(str(wrong)) from None


def region(text: str) -> str:
    """Read a region's name."""
    if not REGION.fullmatch(text):
        raise InvalidValue("must be the name of an AWS region, such as eu-central-1")
    return text


def role_arn(text: str) -> str:
    """Read the ARN of an IAM role."""
    try:
        arn = parse_arn(text)
    except InvalidArn:
        raise InvalidValue(arn_fault(text)) from None
    if arn.kind is not PrincipalKind.ROLE:
        raise InvalidValue("must be the ARN of an IAM role, such as arn:aws:iam::111122223333:role/Name")
    return text


def absolute_path(text: str) -> str:
    """Read an absolute path."""
    if not path(text).startswith("/"):
        raise InvalidValue("must be an absolute path, beginning with /")
    return text


def path(text: str) -> str:
    """Read a file's or directory's path."""
    if not 0 < len(text) <= _MAX_PATH_LENGTH or not text.isprintable():
        raise InvalidValue(f"must be a path of 1 to {_MAX_PATH_LENGTH} visible characters")
    return text
