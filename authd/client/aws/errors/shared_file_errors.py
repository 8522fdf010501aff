"""Messages about AWS shared files that botocore can't parse, with the faulty lines."""

from __future__ import annotations

import configparser
import re

from botocore import exceptions

_HEADER = re.compile(rb"\[([^\]]+)\]")


def shared_file_message(error: exceptions.ConfigParseError) -> str:
    """Return the fault and its line. The parser's own message repeats the line, which may contain a key."""
    path, cause = str(error.kwargs.get("path")), error.kwargs.get("error")
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as unreadable:
        return f"{path} cannot be read: {unreadable.strerror}"
    if isinstance(cause, configparser.DuplicateSectionError):
        lines = _headers(content, cause.section.encode())
        return f"{path}: the section [{cause.section}] appears twice, in {_join(lines)}; merge the two into one"
    if isinstance(cause, configparser.DuplicateOptionError):
        lines = _options(content, cause.section.encode(), cause.option.encode())
        return f"{path}: {cause.option} appears twice in the section [{cause.section}], in {_join(lines)}; remove one"
    line, fault = _fault(content, cause)
    place = f", line {line}," if line else ""
    return f"{path}{place} is not a valid AWS configuration file: {fault}"


def _fault(content: bytes, cause: object) -> tuple[int, str]:
    line, fault = 0, "write sections as `[name]` and settings as `name = value`"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        line, fault = 1, "it is encoded in UTF-16; save it as UTF-8"
    elif isinstance(cause, UnicodeDecodeError):
        line, fault = _undecodable(content), "it has a byte that is not UTF-8; save the file as UTF-8"
    elif isinstance(cause, configparser.MissingSectionHeaderError):
        line, fault = cause.lineno, "a section such as [default] must come before the first setting"
        if content.startswith(b"\xef\xbb\xbf"):
            fault = "it begins with a byte order mark, save it without one"
    elif isinstance(cause, configparser.ParsingError) and cause.errors:
        line = cause.errors[0][0]
    elif isinstance(cause, ValueError):
        line, fault = _unpaired(content), "an indented line below an empty value must be `name = value`"
    return line, fault


def _undecodable(content: bytes) -> int:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return content.count(b"\n", 0, error.start) + 1
    return 0


def _unpaired(content: bytes) -> int:
    below_empty = False
    for number, line in enumerate(content.split(b"\n"), 1):
        stripped = line.strip()
        if not stripped or stripped[:1] in b"#;":
            continue
        if line[:1] not in b" \t":
            below_empty = stripped.partition(b"=")[2].strip() == b"" and b"=" in stripped
        elif below_empty and b"=" not in stripped:
            return number
    return 0


def _headers(content: bytes, section: bytes) -> list[int]:
    lines = enumerate(content.split(b"\n"), 1)
    return [number for number, line in lines if (match := _HEADER.match(line)) and match[1] == section]


def _options(content: bytes, section: bytes, option: bytes) -> list[int]:
    found, inside = [], False
    for number, line in enumerate(content.split(b"\n"), 1):
        match = _HEADER.match(line)
        if match:
            inside = match[1] == section
        elif inside and re.split(rb"[=:]", line)[0].strip().lower() == option:
            found.append(number)
    return found


def _join(lines: list[int]) -> str:
    return " and ".join(f"line {number}" for number in lines) or "unknown lines"
