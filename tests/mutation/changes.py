"""Wrong variants of a Python expression or statement.

A comparison, condition, constant or call is changed or left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tests.mutation.regexes import LOOKS_LIKE_ONE, variants

_OPERATORS: Mapping[type[ast.AST], Sequence[type[ast.AST]]] = {
    ast.Eq: (ast.NotEq, ast.LtE, ast.GtE), ast.NotEq: (ast.Eq, ast.Lt, ast.Gt),
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.And: (ast.Or,), ast.Or: (ast.And,), ast.BitOr: (ast.BitAnd,), ast.BitAnd: (ast.BitOr,),
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Add,), ast.Mod: (ast.Mult,), ast.FloorDiv: (ast.Mult,),
}  # fmt: skip
_WORDS: Mapping[str, Sequence[str]] = {
    "fullmatch": ("match", "search"), "startswith": ("endswith",), "endswith": ("startswith",), "lower": ("upper",),
    "partition": ("rpartition",), "rpartition": ("partition",), "any": ("all",), "all": ("any",),
    "min": ("max",), "max": ("min",),
}  # fmt: skip
#: Fields from which one element can be removed.
_LISTS = ("elts", "values", "args", "keywords", "decorator_list", "bases", "handlers", "ifs", "ops")
#: Statements whose deletion does more than leave a name undefined.
_REMOVABLE = (ast.Expr, ast.Raise, ast.Return, ast.If, ast.For, ast.While, ast.Assert, ast.Try, ast.AugAssign)


def changes(node: ast.AST, *, regex: bool, siblings: Mapping[str, Sequence[str]]) -> Iterator[ast.AST]:
    """Yield the replacements of a node.

    `regex` is set if its strings are regular expressions. `siblings` are the attributes of a value that the module uses.
    """
    yield from _expressions(node)
    yield from _operators(node)
    if isinstance(node, ast.Attribute):
        others = siblings[ast.unparse(node.value)]
        yield from [_with(node, attr=others[others.index(node.attr) - 1])] if len(others) > 1 else []
    if isinstance(node, ast.Constant):
        yield from _constants(node.value, regex=regex)
    for field in () if isinstance(node, ast.arguments) else _LISTS:
        yield from _without_one(node, field)
    if isinstance(node, ast.stmt):
        yield from _statements(node)


def _with(node: ast.AST, **fields: object) -> ast.AST:
    """Return a shallow copy with changed fields."""
    return type(node)(**{**{name: getattr(node, name, None) for name in node._fields}, **fields})


def _expressions(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.BinOp(left=left, right=right):
            yield from (left, right)
        case ast.Call(func=function, args=arguments):
            yield from [function.value] if isinstance(function, ast.Attribute) else []
            yield from arguments[:1]
            for one, other in pairwise(arguments):
                yield _with(node, args=[{one: other, other: one}.get(each, each) for each in arguments])
        case ast.Attribute(attr=word):
            yield from (_with(node, attr=other) for other in _WORDS.get(word, ()))
        case ast.Name(id=word):
            yield from (_with(node, id=other) for other in _WORDS.get(word, ()))
        case ast.Slice():
            for field in ("lower", "upper", "step"):
                yield from [_with(node, **{field: None})] if getattr(node, field) else []


def _operators(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        yield from (_with(node, op=other()) for other in _OPERATORS.get(type(node.op), ()))
    elif isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in _OPERATORS[type(operator)]:
                yield _with(node, ops=[*node.ops[:place], other(), *node.ops[place + 1 :]])


def _constants(value: object, *, regex: bool) -> Iterator[ast.AST]:
    others: list[Any] = []
    if isinstance(value, bool):
        others = [not value]
    elif isinstance(value, int | float):
        others = [value + 1, value - 1]
    elif isinstance(value, str | bytes):
        text = value if isinstance(value, str) else value.decode("latin-1")
        others = [text[:0], text + "x", *(variants(text) if regex or LOOKS_LIKE_ONE.search(text) else ())]
        others = others if isinstance(value, str) else [str(other).encode("latin-1") for other in others]
    elif value is None:
        others = [...]
    yield from map(ast.Constant, others)


def _without_one(node: ast.AST, field: str) -> Iterator[ast.AST]:
    """Yield copies without one element of a list, one pair of a dictionary or one comparison of a chain."""
    found = getattr(node, field, None)
    parts: list[ast.AST] = found if isinstance(found, list) else []
    for place in range(len(parts)):
        rest = [*parts[:place], *parts[place + 1 :]]
        if isinstance(node, ast.Dict):
            yield _with(node, values=rest, keys=[*node.keys[:place], *node.keys[place + 1 :]])
        elif isinstance(node, ast.Compare):
            if rest:
                several = [node.left, *node.comparators]
                del several[place if place == 0 else place + 1]
                yield _with(node, ops=rest, left=several[0], comparators=several[1:])
        elif not isinstance(node, ast.BoolOp | ast.Try) or rest:
            single = isinstance(node, ast.BoolOp) and len(rest) == 1
            yield rest[0] if single else _with(node, **{field: rest})


def _statements(node: ast.stmt) -> Iterator[ast.AST]:
    if isinstance(node, _REMOVABLE) and not is_text(node):
        yield ast.Pass()
    match node:
        case ast.If(test=test) | ast.While(test=test):
            yield from (_with(node, test=ast.Constant(value)) for value in (True, False))
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.For(body=body):
            yield _with(node, iter=ast.Tuple([], ast.Load()))
            yield _with(node, body=[*body, ast.Break()])
        case ast.Return(value=ast.expr()):
            yield ast.Return(ast.Constant(None))
        case ast.Raise(cause=ast.expr()):
            yield _with(node, cause=None)
        case ast.Try(body=body):
            yield ast.If(ast.Constant(value=True), body, [])


def is_text(node: ast.AST) -> bool:
    """Return whether a node is a docstring or another string without effect."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def compiles_regex(node: ast.AST) -> bool:
    """Return whether a node is a call that compiles a regular expression."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "re.compile"
