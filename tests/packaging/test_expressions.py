"""Regular expressions have the same meaning on every Python that authd supports."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from re import _constants, _parser  # the only parser of regular expressions
from typing import Any

import pytest

import authd

#: Modules that run when they are imported.
_PROGRAMS = ("__main__", "authd-token")


def _patterns(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _patterns(part)


def _expressions() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield every expression in a module's globals, alone or inside another value, with its place."""
    for module in pkgutil.walk_packages(authd.__path__, "authd."):
        if not module.name.endswith(_PROGRAMS):
            for name, value in vars(import_module(module.name)).items():
                for pattern in _patterns(value):
                    yield f"{module.name}.{name}", pattern


def _repeated_possessively(parsed: Any) -> Iterator[Any]:
    """Yield the repeated part of each possessive repetition, at any depth."""
    for operation, argument in parsed:
        if operation is _constants.POSSESSIVE_REPEAT:
            yield argument[2]
        for part in argument if isinstance(argument, tuple | list) else [argument]:
            for inner in part if isinstance(part, list) else [part]:
                if isinstance(inner, _parser.SubPattern):
                    yield from _repeated_possessively(inner)


EXPRESSIONS = list(_expressions())


def test_the_expressions_are_found() -> None:
    """The expressions for external input are found."""
    names = {name for name, _ in EXPRESSIONS}
    assert {"authd.core.caller_identity._REQUEST_ID", "authd.core.token._QUERY", "authd.core.arn._RESOURCES"} <= names


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS)
def test_only_single_characters_are_repeated_possessively(name: str, expression: re.Pattern[Any]) -> None:
    """Possessive repetitions repeat single characters. Python before 3.11.5 continues at a wrong position after others."""
    for part in _repeated_possessively(_parser.parse(expression.pattern, expression.flags & ~re.UNICODE)):
        assert part.getwidth() == (1, 1), name


@pytest.mark.parametrize("expression", ["(?:ab)*+", "x(?:(?:a|bc){1,3}+)?", "(a|(?:b|(?:cd)++))"])
def test_longer_parts_are_seen(expression: str) -> None:
    """Other possessive repetitions are found."""
    assert [part.getwidth()[1] for part in _repeated_possessively(_parser.parse(expression))] == [2]
