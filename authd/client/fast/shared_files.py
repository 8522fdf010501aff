"""A strict reader of the AWS shared files: it takes what every INI reader understands alike, and nothing else.

Source: the AWS SDKs' shared configuration files, as botocore reads them with configparser. Whatever is not plain
(indented lines in the wanted section, duplicates, odd characters) is left to botocore.
"""

from __future__ import annotations

from authd.client.fast.sigv4 import NotOnFastPath

_PLAIN = bytes(range(0x20, 0x7F)) + b"\t\n"


def read_section(content: bytes, wanted: str) -> dict[str, str] | None:
    """Return the keys of the section `wanted`, None where it does not exist.

    Raises NotOnFastPath where configparser might see anything else than this reader does, in any section: a file
    that botocore refuses as a whole must not be half understood here.
    """
    if content.translate(None, _PLAIN):
        raise NotOnFastPath
    sections: dict[str, dict[str, str]] = {}
    section: dict[str, str] | None = None
    for line in content.decode().split("\n"):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if line[0] in " \t":
            # A continuation; harmless where it belongs to a key of a section that nobody asks about.
            if not section or section is sections.get(wanted):
                raise NotOnFastPath
        elif stripped[0] == "[":
            section = sections[_header(stripped, sections)] = {}
        elif section is None:
            raise NotOnFastPath
        else:
            _take_pair(section, stripped)
    return sections.get(wanted)


def _header(line: str, sections: dict[str, dict[str, str]]) -> str:
    name = line[1:-1]
    odd = line[-1] != "]" or not name or "]" in name or "[" in name or '"' in name or "'" in name or "\\" in name
    if odd or name != " ".join(name.split()) or name in sections or name == "DEFAULT":
        raise NotOnFastPath
    return name


def _take_pair(section: dict[str, str], line: str) -> None:
    key, equals, value = line.partition("=")
    key = key.rstrip().lower()
    if not equals or not key or ":" in key or key in section:
        raise NotOnFastPath
    section[key] = value.strip()
