"""Reads `server.tracing.headersFile`: headers for the collector, such as an API key, one per line."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from twisted.logger import Logger

from authd.core.errors import ConfigError, Problem

_log = Logger(namespace="authd.tracing")

_MAX_BYTES = 65_536
#: RFC 9110, section 5: a token, and visible ASCII with blanks in between.
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*([!-~](?:[ -~]*[!-~])?)")
#: Headers that the exporter sets itself.
_OWN = frozenset({"host", "content-type", "content-length", "content-encoding", "transfer-encoding", "connection"})


def read_headers(file: str) -> dict[str, str]:
    """Return the headers by their names in lower case. Raises `ConfigError`, whose message contains no value."""
    try:
        with Path(file).open("rb") as stream:
            text = stream.read(_MAX_BYTES + 1)
            exposed = os.fstat(stream.fileno()).st_mode & (stat.S_IROTH | stat.S_IWOTH)
    except OSError as error:
        raise _wrong(file, 0, f"the headers for the collector can't be read: {error.strerror}") from None
    if len(text) > _MAX_BYTES:
        raise _wrong(file, 0, f"the headers for the collector are longer than {_MAX_BYTES} bytes")
    if exposed:
        _log.warn("{file} is open to every user of this machine: run chmod o= {file}", file=file)
    return _parsed(file, text)


def _parsed(file: str, text: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for number, line in enumerate(text.decode("latin-1").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _HEADER.fullmatch(line.strip())
        if match is None:
            raise _wrong(file, number, "this is not a header: write `Name: value` with printable ASCII characters")
        name = match[1].lower()
        if name in _OWN or name in headers:
            raise _wrong(
                file, number, f"the header {name} is {'set by authd' if name in _OWN else 'there twice'}: remove it"
            )
        headers[name] = match[2]
    return headers


def _wrong(file: str, line: int, message: str) -> ConfigError:
    return ConfigError((Problem(file=file, line=line, column=1 if line else 0, message=message),))
