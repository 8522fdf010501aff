"""Builds a tree of nodes from a YAML text, by the events of PyYAML's parser.

Every scalar is kept as it is written. Misleading YAML, such as an unsupported tag or a duplicate section, is an error,
and parsing continues with the next value.
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
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from authd.config.document.aliases import Aliases
from authd.config.document.decoding import Unreadable
from authd.config.document.frames import OpenFile, OpenMapping, OpenSequence
from authd.config.document.nodes import NULLS, Broken, Node, Scalar, new, shown
from authd.config.document.problems import Problems
from authd.config.document.yaml_errors import broken_yaml

#: libyaml's parser, if PyYAML was built with it. PyYAML's own one is ten times slower.
PARSER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

#: Settings nest six deep. A far deeper file is an attempt to exhaust the parser.
MAX_DEPTH = 20

#: The prefix for which `!!` stands in a tag.
_YAML_TAGS = "tag:yaml.org,2002:"
#: Tags of texts. `!` means "as written".
_TEXT_TAGS = frozenset({"!", f"{_YAML_TAGS}str"})
#: Tags without effect, because each setting has a type of its own.
_PLAIN_TAGS = frozenset({f"{_YAML_TAGS}{name}" for name in ("int", "float", "bool", "null", "timestamp", "merge")})
_MAPPING_TAGS = frozenset({"!", f"{_YAML_TAGS}map"})
_SEQUENCE_TAGS = frozenset({"!", f"{_YAML_TAGS}seq"})

#: Events per step: 1 to 2 ms, including the reading of rules.
EVENTS_PER_STEP = 250
#: Empty documents after the settings that are skipped in search of content.
_MAX_DOCUMENTS = 100

#: Consumers of the items of long lists, by the path of the list. An item is passed on as soon as it is complete and not
#: kept in the tree, so that the garbage collector never traverses a hundred thousand nodes.
Consumers = Mapping[tuple[str, ...], Callable[[Node], None]]
#: The frames around such a list: the file, its mapping and that of `server`.
_CONSUMER_DEPTH = 3


def reading_tree(
    text: str, problems: Problems, consumers: Consumers, *, whole: bool = False
) -> Generator[None, None, Node]:
    """Parse the first document of a file in steps. Lists that have a consumer are empty in the tree.

    With `whole`, a mapping with an error in it becomes `Broken`: for readers that use the rest in spite of errors.
    Raises `Unreadable` for broken YAML, for nesting over `MAX_DEPTH` and for aliases out of bounds.
    """
    builder = _Builder(problems, consumers, whole=whole)
    try:
        next_event, handle = PARSER(text).get_event, builder.handle
        while True:
            for _ in range(EVENTS_PER_STEP):
                event = next_event()
                if event is None:
                    return builder.root
                handle(event)
            yield
    except _SecondDocumentError:
        _check_documents(next_event, problems)
        return builder.root
    except yaml.YAMLError as error:
        raise broken_yaml(error, text) from None


def _check_documents(next_event: Callable[[], Any], problems: Problems) -> None:
    """Warn of content after the first document, which aws-iam-authenticator's loader ignores silently."""
    message = "a second YAML document begins: it is ignored, because the settings are the first document of the file"
    try:
        for _ in range(_MAX_DOCUMENTS * 3):
            event = next_event()
            if type(event) in {MappingStartEvent, SequenceStartEvent} and _is_end(next_event()):
                continue
            if isinstance(event, NodeEvent) and not (type(event) is ScalarEvent and event.value in NULLS):
                place: Any = event.start_mark
                problems.warn(Scalar(place.line + 1, place.column + 1, ""), message)
                return
    except yaml.YAMLError:
        return


def _is_end(event: Any) -> bool:
    return type(event) in {MappingEndEvent, SequenceEndEvent}


class _SecondDocumentError(Exception):
    pass


class _Builder:
    """Handles the parser's events one by one and builds the tree `root`.

    Events are typed Any, because narrowing them by `isinstance` would cost a tenth of the time.
    """

    def __init__(self, problems: Problems, consumers: Consumers, *, whole: bool) -> None:
        self._file = OpenFile()
        self._top: OpenFile | OpenSequence | OpenMapping = self._file
        self._add: Callable[[Node], None] = self._file.add
        self._below: list[OpenFile | OpenSequence | OpenMapping] = []
        self._problems = problems
        self._consumers = consumers
        self._whole = whole
        self._aliases = Aliases(problems, MAX_DEPTH)
        self._documents = 0

    @property
    def root(self) -> Node:
        """The root node of the file."""
        return self._file.node

    def handle(self, event: Any) -> None:
        kind = type(event)
        if kind is ScalarEvent:
            mark = event.start_mark
            node: Node = new(Scalar, (mark.line + 1, mark.column + 1, event.value, not event.style, None))
            self._add(node if event.anchor is event.tag is None else self._marked(event, node))
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            self._end()
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            self._begin(event)
        elif kind is AliasEvent:
            self._add(self._aliases.resolve(event, len(self._below) + 1))
        elif kind is DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                raise _SecondDocumentError

    def _begin(self, event: Any) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        is_mapping = type(event) is MappingStartEvent
        if len(self._below) >= MAX_DEPTH:
            raise Unreadable(line, column, f"nested more than {MAX_DEPTH} levels deep, the limit for settings")
        known_tags = _MAPPING_TAGS if is_mapping else _SEQUENCE_TAGS
        if event.tag is not None and event.tag not in known_tags and not self._ignores_tag(event):
            self._refuse_tag(event)
        self._below.append(self._top)
        if is_mapping:
            self._top = OpenMapping(line, column, event.anchor, self._problems, whole=self._whole)
        else:
            self._top = OpenSequence(line, column, event.anchor, self._consumer(event))
        self._add = self._top.add

    def _consumer(self, event: Any) -> Callable[[Node], None] | None:
        """Return the consumer of a list, None if an alias may need the list's items later."""
        if len(self._below) != _CONSUMER_DEPTH or event.anchor or any(frame.anchor for frame in self._below):
            return None
        return self._consumers.get(tuple(frame.name for frame in self._below[1:]))

    def _end(self) -> None:
        done = self._top
        assert not isinstance(done, OpenFile)
        self._top = self._below.pop()
        self._add = self._top.add
        node = done.close()
        if done.anchor is not None:
            self._aliases.define(done.anchor, node)
        self._add(node)

    def _marked(self, event: Any, node: Node) -> Node:
        """Return the node of a scalar that has a tag or an anchor."""
        if event.tag in _TEXT_TAGS:
            node = Scalar(node.line, node.column, event.value)
        elif event.tag is not None and event.tag not in _PLAIN_TAGS:
            node = Scalar(node.line, node.column, event.value) if self._ignores_tag(event) else self._refuse_tag(event)
        if event.anchor is not None:
            self._aliases.define(event.anchor, node)
        return node

    def _ignores_tag(self, event: Any) -> bool:
        """Return whether a tag is an application's own one, which has no effect, and warn of it."""
        if event.tag.startswith(_YAML_TAGS):
            return False
        place = Broken(event.start_mark.line + 1, event.start_mark.column + 1)
        self._problems.warn(place, f"the tag {shown(event.tag)} has no effect: the value is taken as written")
        return True

    def _refuse_tag(self, event: Any) -> Broken:
        place = Broken(event.start_mark.line + 1, event.start_mark.column + 1)
        tag = event.tag.replace(_YAML_TAGS, "!!")
        self._problems.error(place, f"the tag {shown(tag)} is not supported: remove it")
        return place
