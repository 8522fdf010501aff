"""Detects user names that rules give to different principals."""

from __future__ import annotations

from authd.config.document.nodes import shown
from authd.config.document.problems import Place, Problems
from authd.core.mapping.templates import Template


class SameNames:
    """The user names of the rules so far. Names with placeholders are ignored, since they differ by caller."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, int]] = {}
        self._again: dict[str, tuple[Place, int]] = {}

    def note(self, username: Template | None, key: str, place: Place) -> None:
        """Add the user name of a rule for the principal `key`."""
        if username is None or username.placeholders:
            return
        first = self._first.setdefault(username.text, (key, place.line))
        if first[0] != key:
            earlier, count = self._again.get(username.text, (place, 0))
            self._again[username.text] = (earlier, count + 1)

    def warn(self, problems: Problems) -> None:
        """Warn once of each name that several principals have."""
        for text, (place, count) in self._again.items():
            line = self._first[text][1]
            more = f", and {count - 1} more rules give it too" if count > 1 else ""
            problems.warn(
                place,
                f"the rule in line {line} gives another principal the same user name, {shown(text)}{more}: the "
                "cluster can't tell them apart; write a name for each",
            )
