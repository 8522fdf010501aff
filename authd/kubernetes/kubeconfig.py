"""Reads kubeconfig files: the cluster and the credentials of one context.

Source: Kubernetes, "kubeconfig (v1)". Settings that run a program (exec and auth-provider plugins) or weaken TLS are
errors.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from authd.config.document.decoding import Unreadable, decoding
from authd.config.document.nodes import MappingNode, Node, Scalar, SequenceNode, is_absent, is_null, shown
from authd.config.document.problems import Problems
from authd.config.document.tree import reading_tree
from authd.core.cooperative import finish
from authd.core.errors import ConfigError, Problem
from authd.kubernetes.access import ClusterAccess, Content
from authd.kubernetes.server_url import ServerURL, parse_server

_REFUSED_OF_CLUSTER = {
    "insecure-skip-tls-verify": "the API server's certificate is always verified: give certificate-authority-data",
    "proxy-url": "a proxy towards the API server is not supported",
}
_REFUSED_OF_USER = {
    "exec": "exec plugins are not supported: use a client certificate, a token or a tokenFile",
    "auth-provider": "auth-provider plugins are not supported: use a client certificate, a token or a tokenFile",
    "username": "Kubernetes has dropped passwords: use a client certificate, a token or a tokenFile",
    "as": "impersonation is not supported: use the credentials of the user itself",
}
#: Runs a credential plugin, an entry `exec` of a kubeconfig, and returns the token.
RunPlugin = Callable[["ExecPlugin"], str]
_TRUE = frozenset({"true", "True", "TRUE"})
#: The name of a cluster's extension with a plugin's configuration.
_EXTENSION = "client.authentication.k8s.io/exec"


class ExecPlugin(NamedTuple):
    """A credential plugin: the command with its arguments, additional environment variables, and the API version.

    `cluster` describes the cluster for a plugin with `provideClusterInfo`, otherwise it is None. Source: Kubernetes,
    "client.authentication.k8s.io/v1", Cluster.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    api_version: str
    cluster: Mapping[str, Any] | None = None


def load_kubeconfig(
    file: str, *, context: str = "", server: str = "", run_plugin: RunPlugin | None = None
) -> ClusterAccess:
    """Read a kubeconfig file. `context` replaces its current-context, `server` the cluster's address.

    Plugins are errors without `run_plugin`, because a daemon must not wait for a program. Raises `ConfigError` with the
    place of the error.
    """
    try:
        text = Path(file).read_bytes()
    except OSError as error:
        message = f"the kubeconfig can't be read: {error.strerror}"
        raise ConfigError((Problem(file=file, line=0, column=0, message=message),)) from None
    return read_kubeconfig(text, file=file, context=context, server=server, run_plugin=run_plugin)


def read_kubeconfig(
    text: bytes, *, file: str, context: str = "", server: str = "", run_plugin: RunPlugin | None = None
) -> ClusterAccess:
    """Parse a kubeconfig. Relative paths in it are relative to the folder of `file`."""
    problems = Problems(file)
    try:
        root = finish(reading_tree(finish(decoding(text)), problems, {}))
    except Unreadable as fault:
        problems.error(fault, fault.message)
        raise problems.failure() from None
    problems.raise_errors()
    return _Kubeconfig(file, _Part(root, "the kubeconfig", problems), run_plugin).access(context, server)


class _Part:
    """A mapping of the file. Unknown keys are ignored."""

    def __init__(self, node: Node, name: str, problems: Problems) -> None:
        self.node = node
        self.name = name
        self.problems = problems
        if not isinstance(node, MappingNode):
            raise self.failure(f"{name} must be a mapping")
        self._entries = node.entries

    def failure(self, message: str, node: Node | None = None) -> ConfigError:
        """Return the exception for an error at a node, by default at this mapping."""
        self.problems.error(node or self.node, message)
        return self.problems.failure()

    def at(self, key: str) -> Node | None:
        """Return the value of a key, None if it is absent or null."""
        _, node = self._entries.get(key, (None, None))
        return None if node is None or is_absent(node) else node

    def text(self, key: str) -> str:
        """Return the text of a key, empty if it is absent."""
        node = self.at(key)
        if node is not None and not isinstance(node, Scalar):
            raise self.failure(f"{key} must be a single value", node)
        return node.text if node is not None else ""

    def named(self, key: str, name: str, body: str) -> _Part:
        """Return the member `body` of the entry called `name` in the list at `key`."""
        nodes = self.at(key)
        for node in nodes.nodes if isinstance(nodes, SequenceNode) else ():
            entry = _Part(node, f"an entry of {key}", self.problems)
            if entry.text("name") == name:
                return _Part(entry.at(body) or MappingNode(node.line, node.column, {}), body, self.problems)
        raise self.failure(f"{key} has no entry named {shown(name)}", nodes)

    def refuse(self, keys: dict[str, str]) -> None:
        """Raise `ConfigError` if one of these keys is set. The values are the reasons."""
        for key, reason in keys.items():
            node = self.at(key)
            if node is not None and not (key.startswith("insecure") and self.text(key) not in _TRUE):
                raise self.failure(f"{key}: {reason}", node)


class _Kubeconfig:
    """Reads one context of a kubeconfig."""

    def __init__(self, file: str, root: _Part, run_plugin: RunPlugin | None) -> None:
        self._run_plugin = run_plugin
        self._folder = Path(file).absolute().parent  # that of a link, as for kubectl
        self._root = root

    def access(self, context: str, server: str) -> ClusterAccess:
        """Return the address and credentials of a context."""
        name = context or self._root.text("current-context")
        if not name:
            raise self._root.failure("current-context is missing: it names the context to use")
        chosen = self._root.named("contexts", name, "context")
        cluster = self._root.named("clusters", chosen.text("cluster"), "cluster")
        cluster.refuse(_REFUSED_OF_CLUSTER)
        address = _address(cluster, server)
        user = self._user(chosen)
        certificate, key = self._content(user, "client-certificate"), self._content(user, "client-key")
        if (certificate is None) != (key is None):
            raise user.failure("client-certificate and client-key belong together: one of them is missing")
        return ClusterAccess(
            host=address.host,
            port=address.port,
            path=address.path,
            server_name=cluster.text("tls-server-name"),
            namespace=chosen.text("namespace") or "default",
            ca=self._content(cluster, "certificate-authority"),
            certificate=certificate,
            key=key,
            token=self._token(user, cluster, server or cluster.text("server")),
        )

    def _user(self, context: _Part) -> _Part:
        name = context.text("user")
        if not name:
            return _Part(MappingNode(context.node.line, context.node.column, {}), "user", context.problems)
        user = self._root.named("users", name, "user")
        user.refuse({key: why for key, why in _REFUSED_OF_USER.items() if key != "exec" or self._run_plugin is None})
        return user

    def _token(self, user: _Part, cluster: _Part, server: str) -> Content | None:
        file, token = user.text("tokenfile"), user.text("token")
        if file:  # has priority, because the token may be an old copy
            return Content(file=str(self._folder / file))
        if self._run_plugin is not None and user.at("exec") is not None:
            part = _Part(user.at("exec") or user.node, "exec", user.problems)
            plugin = _plugin(part, self._folder)
            if part.text("provideclusterinfo") in _TRUE:
                plugin = plugin._replace(cluster=self._described(cluster, server))
            return Content(self._run_plugin(plugin).encode())
        return Content(token.encode()) if token else None

    def _described(self, cluster: _Part, server: str) -> dict[str, Any]:
        info: dict[str, Any] = {"server": server}
        name, ca = cluster.text("tls-server-name"), self._content(cluster, "certificate-authority")
        if name:
            info["tls-server-name"] = name
        if ca is not None:
            info["certificate-authority-data"] = base64.b64encode(ca.read()).decode()
        for node in getattr(cluster.at("extensions"), "nodes", ()):
            extension = _Part(node, "an entry of extensions", cluster.problems)
            if extension.text("name") == _EXTENSION:
                info["config"] = _plain(extension.at("extension"))
        return info

    def _content(self, part: _Part, key: str) -> Content | None:
        data, file = part.text(f"{key}-data"), part.text(key)
        if data:  # has priority over the file
            try:
                return Content(base64.b64decode(data, validate=True))
            except binascii.Error:
                raise part.failure(f"{key}-data is not base64", part.at(f"{key}-data")) from None
        return Content(file=str(self._folder / file)) if file else None


def _plugin(part: _Part, folder: Path) -> ExecPlugin:
    items, variables = part.at("args"), part.at("env")
    arguments = (
        [node.text for node in items.nodes if isinstance(node, Scalar)] if isinstance(items, SequenceNode) else []
    )
    pairs = [_Part(node, "env", part.problems) for node in getattr(variables, "nodes", ())]
    environment = {pair.text("name"): pair.text("value") for pair in pairs}
    command = part.text("command")
    if not command:
        raise part.failure("exec has no command")
    if "/" in command:
        command = str(folder / command)
    return ExecPlugin((command, *arguments), environment, part.text("apiversion"))


def _plain(node: Node | None) -> Any:
    """Return a node's value as kubectl passes it on in JSON."""
    if isinstance(node, MappingNode):
        return {key.text: _plain(value) for key, value in node.entries.values()}
    if isinstance(node, SequenceNode):
        return [_plain(each) for each in node.nodes]
    if not isinstance(node, Scalar) or is_null(node):
        return None
    try:
        return json.loads(node.text) if node.plain else node.text  # a number or a boolean
    except ValueError:
        return node.text


def _address(cluster: _Part, server: str) -> ServerURL:
    text = server or cluster.text("server")
    if not text:
        raise cluster.failure("server is missing: the address of the API server")
    try:
        return parse_server(text)
    except ValueError as error:
        raise cluster.failure(f"server: {error}", None if server else cluster.at("server")) from None
