"""A settings file's bytes to settings, or every problem in them."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from authd.config.document.decoding import Unreadable, decoding
from authd.config.document.nodes import Broken, MappingNode, Node, Scalar
from authd.config.document.tree import Takers, reading_tree
from authd.config.overrides import overridden
from authd.config.problems import Problems
from authd.config.rules.reader import RuleReader
from authd.config.server import reading_settings
from authd.config.settings import NOTHING, Loaded
from authd.core.cooperative import finish
from authd.core.partitions import Partition


def load_settings(
    text: bytes, *, file: str, partitions: Mapping[str, Partition], overrides: Mapping[str, str] = NOTHING
) -> Loaded:
    """Read a settings file at once; see `loading_settings`."""
    return finish(loading_settings(text, file=file, partitions=partitions, overrides=overrides))


def loading_settings(
    text: bytes, *, file: str, partitions: Mapping[str, Partition], overrides: Mapping[str, str] = NOTHING
) -> Generator[None, None, Loaded]:
    """Read a settings file in steps of a few milliseconds.

    `file` is its name for messages; `overrides` are texts of command line options by their setting's path
    (such as `server.port`), which replace what the file says. Raises `InvalidSettings`, a `ConfigError`, with
    every error and warning.
    """
    problems = Problems(file)
    rules = RuleReader(problems, partitions)
    takers: Takers = {("server", "maproles"): rules.take_role, ("server", "mapusers"): rules.take_user}
    try:
        tree = yield from reading_tree((yield from decoding(text)), problems, takers)
    except Unreadable as fault:
        problems.error(fault, fault.message)
        raise problems.failure() from None
    root = overridden(_fields(tree, problems), overrides)
    settings, table = yield from reading_settings(root, rules, partitions, problems)
    problems.raise_errors()
    return Loaded(settings=settings, table=table, warnings=problems.warnings())


def _fields(tree: Node, problems: Problems) -> MappingNode:
    """Return the settings of a file, none for one that is empty or all comment; any other content is no settings."""
    if isinstance(tree, MappingNode):
        return tree
    if isinstance(tree, Scalar) and tree.is_null:
        return MappingNode(1, 1, {})
    if not isinstance(tree, Broken):
        problems.error(tree, "a settings file must be a mapping: `clusterID: name` and so on, one setting a line")
    raise problems.failure()
