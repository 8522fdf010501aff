"""Loads a settings file. Every error is reported at once."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from authd.config.document.decoding import Unreadable, decoding
from authd.config.document.nodes import Broken, MappingNode, Node, is_null
from authd.config.document.problems import Problems
from authd.config.document.tree import Consumers, reading_tree
from authd.config.other_files import other_file
from authd.config.overrides import overridden
from authd.config.rules.reader import RuleReader
from authd.config.server import reading_settings
from authd.config.settings import NOTHING, Loaded
from authd.core.cooperative import finish
from authd.core.partitions import Partition


def load_settings(
    text: bytes,
    *,
    file: str,
    partitions: Mapping[str, Partition],
    overrides: Mapping[str, str] = NOTHING,
    defaults: Mapping[str, str] = NOTHING,
) -> Loaded:
    """Read a settings file at once. See `loading_settings`."""
    return finish(loading_settings(text, file=file, partitions=partitions, overrides=overrides, defaults=defaults))


def loading_settings(
    text: bytes,
    *,
    file: str,
    partitions: Mapping[str, Partition],
    overrides: Mapping[str, str] = NOTHING,
    defaults: Mapping[str, str] = NOTHING,
) -> Generator[None, None, Loaded]:
    """Read a settings file in steps of a few milliseconds.

    `file` is its name in messages. `overrides` has the values of command line options by the path of their settings
    (such as `server.port`). They replace the file's values. `defaults` has values for settings that both lack. Raises
    `InvalidSettings`, a `ConfigError`, with every error and warning.
    """
    problems = Problems(file)
    rules = RuleReader(problems, partitions)
    consumers: Consumers = {("server", "maproles"): rules.add_role, ("server", "mapusers"): rules.add_user}
    try:
        tree = yield from reading_tree((yield from decoding(text)), problems, consumers)
    except Unreadable as fault:
        problems.error(fault, fault.message)
        raise problems.failure() from None
    fields = overridden(_fields(tree, problems), overrides, defaults)
    settings, table = yield from reading_settings(fields, rules, partitions, problems)
    problems.raise_errors()
    return Loaded(settings=settings, table=table, warnings=problems.warnings())


def _fields(tree: Node, problems: Problems) -> MappingNode:
    """Return the root mapping of a file, an empty one if the file has only comments."""
    if isinstance(tree, MappingNode):
        found = other_file(tree)
        if found is None:
            return tree
        problems.error(*found)
    elif is_null(tree):
        return MappingNode(1, 1, {})
    elif not isinstance(tree, Broken):
        problems.error(tree, "a settings file must be a mapping: `clusterID: name` and so on, one setting a line")
    raise problems.failure()
