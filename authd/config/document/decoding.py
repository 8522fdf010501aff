"""Decodes a settings file and checks its characters, before YAML is parsed.

Source: YAML 1.1, section 4.1 (characters) and 4.2 (line breaks).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence

#: Enough for a hundred thousand rules. A larger file is not a settings file. (The limit of a ConfigMap is 1 MiB.)
MAX_BYTES = 8 * 1024 * 1024

#: Characters per step: under a millisecond.
_STEP = 65_536

#: Characters that YAML forbids, apart from surrogates, which UTF-8 can't encode. U+FEFF, U+FFFE and U+FFFF are searched
#: separately: including them makes the regex take 3 ms to compile.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_NO_CHARACTERS = "\ufeff\ufffe\uffff"
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


class Unreadable(Exception):
    """The file can't be parsed from this place on. `message` is the reason, for the author of the file."""

    origin = None

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.message = message


def source_lines(text: str) -> Sequence[str]:
    """Split a text at the line breaks of YAML."""
    return _LINE_BREAK.split(text)


def decoding(data: bytes) -> Generator[None, None, str]:
    """Decode a file in steps, without the byte order mark that some editors put first.

    Raises `Unreadable` for a file over `MAX_BYTES`, for bytes that aren't UTF-8 and for control characters.
    """
    if len(data) > MAX_BYTES:
        raise Unreadable(0, 0, f"larger than {MAX_BYTES // 1024**2} MiB, the limit for settings files")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        raise _unreadable(before, "not text in UTF-8: save the file as UTF-8") from None
    for start in range(0, len(text), _STEP):
        place = _forbidden(text, start, start + _STEP)
        if place is not None:
            code = f"U+{ord(text[place]):04X}"
            raise _unreadable(text[:place], f"the control character {code} is not allowed here: remove it")
        yield
    return text


def _forbidden(text: str, start: int, end: int) -> int | None:
    """Return the index of the first forbidden character, None if there is none."""
    control = _CONTROLS.search(text, start, end)
    places = [text.find(character, start, end) for character in _NO_CHARACTERS]
    if control is not None:
        places.append(control.start())
    return min((place for place in places if place >= 0), default=None)


def _unreadable(before: str, message: str) -> Unreadable:
    lines = source_lines(before)
    return Unreadable(len(lines), len(lines[-1]) + 1, message)
