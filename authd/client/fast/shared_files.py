"""A strict reader of the AWS shared files: it accepts only input that every INI parser reads in the same way.

Source: botocore, which reads the shared configuration files with configparser. Indented lines in the requested
section, duplicates and unusual characters are left to botocore.
"""

from __future__ import annotations

from authd.client.fast.sigv4 import NotOnFastPath

_PLAIN = bytes(range(0x20, 0x7F)) + b"\t\n"


def read_section(content: bytes, wanted: str) -> dict[str, str] | None:
    """Return the keys of the section `wanted`, or None if it does not exist.

    Raises NotOnFastPath if configparser might read any section of the file differently, because botocore rejects a
    broken file as a whole.
    """
    if content.translate(None, _PLAIN):
        raise NotOnFastPath
    sections: dict[str, dict[str, str]] = {}
    section: dict[str, str] | None = None
    nested = False
    for line in content.decode().split("\n"):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if line[0] in " \t":
            # A continuation line. It is harmless in a section that isn't requested.
            # Below an empty value, botocore rejects the whole file unless the line is a pair.
            if not section or section is sections.get(wanted) or (nested and "=" not in stripped):
                raise NotOnFastPath
        elif stripped[0] == "[":
            section = sections[_header(stripped, sections)] = {}
        elif section is None:
            raise NotOnFastPath
        else:
            nested = not _parse_pair(section, stripped)
    return sections.get(wanted)


def _header(line: str, sections: dict[str, dict[str, str]]) -> str:
    name = line[1:-1]
    odd = line[-1] != "]" or not name or "]" in name or "[" in name or '"' in name or "'" in name or "\\" in name
    if odd or name != " ".join(name.split()) or name in sections or name == "DEFAULT":
        raise NotOnFastPath
    return name


def _parse_pair(section: dict[str, str], line: str) -> str:
    key, equals, value = line.partition("=")
    key = key.rstrip().lower()
    if not equals or not key or ":" in key or key in section:
        raise NotOnFastPath
    section[key] = value = value.strip()
    return value
