"""Text to a tree of nodes, by the events of PyYAML's parser.

Every scalar stays the text that is written. What would make a file mean something else than it seems to (tags,
aliases, keys that stand twice) is an error, and reading goes on for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from authd.config.document.decoding import Unreadable
from authd.config.document.frames import OpenFile, OpenMapping, OpenSequence
from authd.config.document.nodes import Broken, Node, Scalar, new, shown
from authd.config.document.yaml_errors import broken_yaml
from authd.config.problems import Problems

#: The parser written in C, or the one in Python, ten times slower, where PyYAML was built without it.
PARSER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

#: Settings nest six deep; far deeper files only serve to exhaust a parser.
MAX_DEPTH = 20

#: What `!!` stands for in a tag.
_YAML_TAGS = "tag:yaml.org,2002:"

#: How many events are taken between two pauses: 1 to 2 ms, the rules among them included.
EVENTS_PER_STEP = 250

#: Lists that may be long, by the path of their names: each item is handed over as soon as it is complete and then
#: forgotten, so that a hundred thousand nodes are never there at once, to be walked by the garbage collector.
Takers = Mapping[tuple[str, ...], Callable[[Node], None]]
#: What is open around such a list: the file, its mapping, and that of `server`.
_TAKER_DEPTH = 3


def reading_tree(text: str, problems: Problems, takers: Takers) -> Generator[None, None, Node]:
    """Read the one document of a file in steps; `takers` get the items of their lists, which are empty in the tree.

    Raises `Unreadable` where the YAML breaks, for more than one document and for nesting over `MAX_DEPTH`.
    """
    builder = _Builder(problems, takers)
    try:
        next_event, take = PARSER(text).get_event, builder.take
        while True:
            for _ in range(EVENTS_PER_STEP):
                event = next_event()
                if event is None:
                    return builder.root
                take(event)
            yield
    except yaml.YAMLError as error:
        raise broken_yaml(error, text) from None


class _Builder:
    """Takes events one by one, and makes `root` of them.

    An event is Any here: its class tells its attributes, and asking by `isinstance` would cost a tenth of the time.
    """

    def __init__(self, problems: Problems, takers: Takers) -> None:
        self._file = OpenFile()
        self._top: OpenFile | OpenSequence | OpenMapping = self._file
        self._add: Callable[[Node], None] = self._file.add
        self._below: list[OpenFile | OpenSequence | OpenMapping] = []
        self._problems = problems
        self._takers = takers
        self._documents = 0

    @property
    def root(self) -> Node:
        """What the file holds."""
        return self._file.node

    def take(self, event: Any) -> None:
        kind = type(event)
        if kind is ScalarEvent:
            mark = event.start_mark
            node: Node = new(Scalar, (mark.line + 1, mark.column + 1, event.value, not event.style, ""))
            self._add(node if event.anchor is event.tag is None else self._marked(event, node))
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            self._end()
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            self._begin(event)
        elif kind is AliasEvent:
            self._add(self._refused(event, f"aliases (*{shown(event.anchor)}) are not read: write the value out"))
        elif kind is DocumentStartEvent:
            self._count_document(event)

    def _begin(self, event: Any) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if len(self._below) >= MAX_DEPTH:
            raise Unreadable(line, column, f"nested more than {MAX_DEPTH} deep: no setting is")
        if event.anchor is not None or event.tag is not None:
            self._marked(event, Broken(line, column))
        self._below.append(self._top)
        if type(event) is MappingStartEvent:
            self._top = OpenMapping(line, column, self._problems)
        else:
            self._top = OpenSequence(line, column, self._taker() if len(self._below) == _TAKER_DEPTH else None)
        self._add = self._top.add

    def _taker(self) -> Callable[[Node], None] | None:
        return self._takers.get(tuple(frame.name for frame in self._below[1:]))

    def _end(self) -> None:
        done = self._top
        assert not isinstance(done, OpenFile)
        self._top = self._below.pop()
        self._add = self._top.add
        self._add(done.close())

    def _marked(self, event: Any, node: Node) -> Node:
        if event.anchor is not None:
            self._refused(event, f"anchors (&{shown(event.anchor)}) are not read: remove it")
        if event.tag is not None:
            tag = event.tag.replace(_YAML_TAGS, "!!")
            return self._refused(event, f"tags ({shown(tag)}) are not read: remove it")
        return node

    def _refused(self, event: Any, message: str) -> Broken:
        place = Broken(event.start_mark.line + 1, event.start_mark.column + 1)
        self._problems.error(place, message)
        return place

    def _count_document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            mark = event.start_mark
            raise Unreadable(mark.line + 1, mark.column + 1, "a second document begins: settings are one document")
