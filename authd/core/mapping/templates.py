"""Templates of user and group names. All {{Placeholders}} are filled in one pass, so no value is read as a template."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

#: Known placeholders. The last one needs a call to EC2.
INSTANCE_NAME = "EC2PrivateDNSName"
#: Its value for explanations, which don't call EC2.
UNRESOLVED: Mapping[str, str] = MappingProxyType({INSTANCE_NAME: f"{{{{{INSTANCE_NAME}}}}}"})
PLACEHOLDERS = ("AccountID", "SessionName", "SessionNameRaw", "AccessKeyID", INSTANCE_NAME)
#: Placeholders whose values the caller of AssumeRole chooses.
CHOSEN_BY_CALLER = frozenset({"SessionName", "SessionNameRaw"})
#: The prefix of one kind of reserved names, up to the second colon, such as `system:node:`.
_SYSTEM_KIND = re.compile(r"system:[^:]*:")

_PIECE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class InvalidTemplate(ValueError):
    """The template names an unknown placeholder, or its braces don't match."""


class MissingValue(ValueError):
    """The identity has no value for a placeholder: a user has no session name."""


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. `pieces` has literal text at even indices and names of placeholders at odd ones."""

    text: str
    pieces: tuple[str, ...]

    @property
    def placeholders(self) -> frozenset[str]:
        """The names of the template's placeholders."""
        return frozenset(self.pieces[1::2])

    @property
    def lets_choose_system_name(self) -> bool:
        """Whether callers choose what follows `system:`, such as `system:{{SessionName}}` for `system:masters`.

        If the template names the kind, callers may choose the rest: a node's name in `system:node:{{SessionName}}`.
        """
        if len(self.pieces) == 1 or not self.text.startswith("system:") or _SYSTEM_KIND.match(self.pieces[0]):
            return False
        return not CHOSEN_BY_CALLER.isdisjoint(self.pieces[1::2])

    def render(self, values: Mapping[str, str]) -> str:
        """Fill in the values. Raises `MissingValue` if one is absent or empty."""
        if len(self.pieces) == 1:
            return self.text
        pieces = list(self.pieces)
        for place in range(1, len(pieces), 2):
            pieces[place] = values.get(pieces[place]) or _missing(pieces[place])
        return "".join(pieces)


def _missing(name: str) -> str:
    raise MissingValue(f"the identity has no value for {{{{{name}}}}}")


def parse_template(text: str) -> Template:
    """Parse a template.

    Raises `InvalidTemplate` for an unknown placeholder, with the nearest known one, and for unbalanced braces.
    """
    if "{{" not in text and "}}" not in text:
        return Template(text, (text,))
    pieces = tuple(_PIECE.split(text))
    for name in pieces[1::2]:
        if name not in PLACEHOLDERS:
            near = difflib.get_close_matches(name.strip(), PLACEHOLDERS, n=1, cutoff=0.5)
            hint = f"did you mean {{{{{near[0]}}}}}?" if near else f"known are {', '.join(PLACEHOLDERS)}"
            raise InvalidTemplate(f"unknown placeholder {{{{{name}}}}}: {hint}")
    if any("{{" in literal or "}}" in literal for literal in pieces[::2]):
        raise InvalidTemplate("the template's braces don't match: placeholders are written {{SessionName}}")
    return Template(text, pieces)
