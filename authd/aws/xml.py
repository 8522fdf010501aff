"""Reads an XML response's texts by the path of their element, without the root. A DTD, and so entities, is refused."""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

_MAX_DEPTH = 32


class InvalidXML(ValueError):
    """The response is not XML, has a DTD, or is nested too deep."""


def read_xml(body: bytes, element: Callable[[str, str], None]) -> None:
    """Call `element` with the path and text of each element at its end. Raises `InvalidXML`."""
    path: list[str] = []
    texts: list[list[str]] = []

    def start(name: str, _attributes: dict[str, str]) -> None:
        path.append(name.rpartition(":")[2])
        texts.append([])
        if len(path) > _MAX_DEPTH:
            raise InvalidXML("nested too deep")

    def end(_name: str) -> None:
        element("/".join(path[1:]), "".join(texts.pop()).strip())
        path.pop()

    def text(data: str) -> None:
        texts[-1].append(data)

    def refuse(*_: object) -> None:
        raise InvalidXML("a DTD")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(body, True)  # noqa: FBT003  # expat takes it by position
    except expat.ExpatError:
        raise InvalidXML("not XML") from None
