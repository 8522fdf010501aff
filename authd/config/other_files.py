"""Recognises other kinds of files, such as kubeconfigs and manifests, and finds the settings in them."""

from __future__ import annotations

from collections.abc import Iterator

from authd.config.document.nodes import MappingNode, Node, Scalar, SequenceNode, shown
from authd.config.fields.schema import TOP

_KUBECONFIG_KEYS = frozenset({"clusters", "contexts", "users", "current-context"})
#: A file with two of these keys is the values file of a chart.
_HELM_KEYS = frozenset(
    {
        "image", "replicacount", "nodeselector", "tolerations", "affinity", "resources", "serviceaccount", "rbac",
        "nameoverride", "fullnameoverride", "podannotations", "config", "daemonset", "volumes",
    }
)  # fmt: skip
_FEW_HELM_KEYS = 2
_CHART_AT_TOP = (
    "this looks like the values of a Helm chart, with the settings at its top: use the file that the chart renders"
)
RULE_LISTS = ("mapRoles", "mapUsers", "mapAccounts")
_RULE_KEYS = frozenset(name.lower() for name in RULE_LISTS)
#: How deep settings in a values file are searched.
_MAX_DEPTH = 4


def other_file(root: MappingNode) -> tuple[Node, str] | None:
    """Return the error of a file of another kind, with its place. None if it may be a settings file."""
    entries = root.entries
    if not entries.keys().isdisjoint(TOP) and "kind" not in entries:
        is_chart = "server" not in entries and len(_HELM_KEYS & entries.keys()) >= _FEW_HELM_KEYS
        return (root, _CHART_AT_TOP) if is_chart else None
    kind = text_at(root, "kind")
    if kind == "ConfigMap":
        return _config_map(root)
    if kind == "Config" or (not kind and len(_KUBECONFIG_KEYS & entries.keys()) > 1):
        return root, (
            "this is a kubeconfig, not a settings file: a settings file has clusterID and server; the daemon writes "
            "its own kubeconfig, see server.generateKubeconfig"
        )
    if kind and "apiversion" in entries:
        return (
            root,
            f"this is a Kubernetes manifest ({shown(kind)}), not a settings file, which has clusterID and server",
        )
    return _helm_values(root)


def text_at(node: Node | None, name: str) -> str:
    """Return the text of a mapping's member, an empty one if it is absent or not a text."""
    value = member(node, name)
    return value.text if isinstance(value, Scalar) else ""


def member(node: Node | None, name: str) -> Node | None:
    """Return a member of a mapping, None if there is none. `name` is in lower case."""
    entry = node.entries.get(name) if isinstance(node, MappingNode) else None
    return None if entry is None else entry[1]


def settings_value(config_map: Node) -> tuple[str, Scalar] | None:
    """Return the entry of a ConfigMap's data that holds settings, None if there is none."""
    data = member(config_map, "data")
    for key, value in data.entries.values() if isinstance(data, MappingNode) else ():
        if isinstance(value, Scalar) and _looks_like_settings(value.text):
            return key.text, value
    return None


def is_aws_auth(config_map: Node) -> bool:
    """Return whether a ConfigMap is aws-auth, by its name or its data."""
    data = member(config_map, "data")
    keys = data.entries.keys() if isinstance(data, MappingNode) else frozenset()
    return not _RULE_KEYS.isdisjoint(keys) or text_at(member(config_map, "metadata"), "name") == "aws-auth"


def _looks_like_settings(text: str) -> bool:
    starts = [line.strip().lower() for line in text.splitlines()]
    return any(line.startswith(("clusterid:", '"clusterid":', "server:", '"server":')) for line in starts)


def _config_map(root: MappingNode) -> tuple[Node, str]:
    found = settings_value(root)
    if found is not None:
        key, value = found
        return root, (
            f"this is a Kubernetes ConfigMap: the settings are under data / {shown(key)}, in line {value.line}; mount "
            "it and use that file, or save the value as a file"
        )
    if is_aws_auth(root):
        return root, (
            "this is the ConfigMap aws-auth of EKS: its rules (mapRoles, mapUsers, mapAccounts) go under server in a "
            "settings file, or stay there for server.backendMode: [EKSConfigMap]"
        )
    return root, "this is a Kubernetes ConfigMap without settings: no key of its data has clusterID or server"


def _helm_values(root: MappingNode) -> tuple[Node, str] | None:
    for path, node in _inner_nodes(root, ()):
        if path and _holds_settings(node):
            return root, (
                f"this looks like the values of a Helm chart: the settings are under {' / '.join(path)}, in line "
                f"{node.line}; use the file that the chart renders"
            )
    if len(_HELM_KEYS & root.entries.keys()) >= _FEW_HELM_KEYS:
        return root, (
            "this looks like the values of a Helm chart, without the daemon's settings: a settings file has clusterID "
            "and server"
        )
    return None


def _holds_settings(node: Node) -> bool:
    if isinstance(node, MappingNode):
        return not {"clusterid", "server", *_RULE_KEYS}.isdisjoint(node.entries)
    return isinstance(node, Scalar) and _looks_like_settings(node.text)


def _inner_nodes(node: Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Yield a node and the values of all mappings in it, each with its path."""
    yield path, node
    if isinstance(node, MappingNode) and len(path) < _MAX_DEPTH:
        for key, value in node.entries.values():
            yield from _inner_nodes(value, (*path, shown(key.text)))


def manifests_of(document: Node) -> Iterator[MappingNode]:
    """Yield the manifests in a document: itself, or the items of a List."""
    items = member(document, "items")
    for node in [document, *(items.nodes if isinstance(items, SequenceNode) else ())]:
        if isinstance(node, MappingNode):
            yield node
