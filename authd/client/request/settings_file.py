"""`clusterID` and `defaultRole` of a settings file. The client uses no other entries."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from authd.client.fast.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """The client's entries of a settings file. None stands for an absent entry."""

    cluster_id: str | None = None
    role: str | None = None


def read_cluster_settings(content: bytes, path: str) -> ClusterSettings:
    """Return the client's entries of a settings file. Names match in any case. Raises UsageError.

    All other entries are the daemon's and are neither converted nor checked here.
    """
    try:
        document = yaml.compose(content.decode(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"the file given by --config, {path}, is not valid YAML{_place(error)}") from None
    if document is None:
        return ClusterSettings()
    if not isinstance(document, yaml.MappingNode):
        raise UsageError(f"the file given by --config, {path}, is not a mapping of settings")
    entries = {key.value.lower(): value for key, value in document.value if isinstance(key, yaml.ScalarNode)}
    return ClusterSettings(
        cluster_id=_text(entries.get("clusterid"), "clusterID", path),
        role=_text(entries.get("defaultrole"), "defaultRole", path),
    )


def _text(node: yaml.Node | None, name: str, path: str) -> str | None:
    if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
        return None
    if not isinstance(node, yaml.ScalarNode):
        raise UsageError(f"{path}:{node.start_mark.line + 1}: {name} must be a string")
    return str(node.value)


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark is not None else ""
