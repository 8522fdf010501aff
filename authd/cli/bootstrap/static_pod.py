"""Edits the static pod manifest of kube-apiserver: the webhook's flags and the mount of its kubeconfig.

The edit inserts lines and changes values of the webhook's own flags. All other bytes stay, comments included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from authd.core.errors import ConfigError, Problem

_CONTAINER = "kube-apiserver"
_VOLUME = "authd"
_START = yaml.Mark("", 0, 0, 0, "", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    """One edit: `lines` replace the lines from `start`, counted from 0, up to but without `end`."""

    start: int
    end: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticPod:
    """A manifest's text, and its file for messages."""

    text: str
    file: str

    def with_webhook(self, flags: Mapping[str, str], folder: str) -> str:
        """Return the text with these flags, and with `folder` of the node mounted read-only at the same path.

        Returns the same text if nothing is missing. Raises `ConfigError` if this isn't a manifest of kube-apiserver.
        """
        spec = self._spec()
        container = self._container(spec)
        edits = [*self._flags(container, flags), *self._mount(spec, container, folder)]
        lines = self.text.splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        for edit in sorted(edits, key=lambda each: each.start, reverse=True):
            lines[edit.start : edit.end] = [f"{line}\n" for line in edit.lines]
        return "".join(lines) if edits else self.text

    def _root(self) -> yaml.MappingNode:
        try:
            root = yaml.compose(self.text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or _START
            raise self._error(mark, f"this is not YAML: {error.problem}") from None
        except yaml.YAMLError:
            raise self._error(_START, "this is not YAML") from None
        if not isinstance(root, yaml.MappingNode):
            raise self._error(_START, "this is not a pod's manifest")
        return root

    def _spec(self) -> yaml.MappingNode:
        root = self._root()
        spec = _value(root, "spec")
        if not isinstance(spec, yaml.MappingNode) or spec.flow_style:
            raise self._error(root.start_mark, "this is not a pod's manifest in YAML's block style: `spec` is missing")
        return spec

    def _container(self, spec: yaml.MappingNode) -> yaml.MappingNode:
        for container in _items(_value(spec, "containers")):
            name = _value(container, "name")
            named = isinstance(name, yaml.ScalarNode) and name.value == _CONTAINER
            if named and isinstance(container, yaml.MappingNode) and not container.flow_style:
                return container
        raise self._error(spec.start_mark, f"no container {_CONTAINER} here: name the manifest of kube-apiserver")

    def _flags(self, container: yaml.MappingNode, flags: Mapping[str, str]) -> Iterator[_Edit]:
        lists = [each for key in ("command", "args") if isinstance(each := _value(container, key), yaml.SequenceNode)]
        program, indent = self._program(container, lists)
        items = [item for each in lists for item in each.value]
        missing = []
        for name, value in flags.items():
            wanted = f"--{name}={value}"
            existing = [item for item in items if str(item.value).partition("=")[0] == f"--{name}"]
            if not existing:
                missing.append(f"{indent}- {wanted}")
            for item in existing:
                if item.value != wanted:
                    line = self.text.splitlines()[item.start_mark.line][: item.start_mark.column]
                    if line.strip() != "-":
                        raise self._error(item.start_mark, f"--{name} is not in a line of its own: change it by hand")
                    yield _replaced(item, f"{line}{wanted}")
                if "=" not in item.value:
                    yield from map(_replaced, items[items.index(item) + 1 :][:1])  # its value
        if missing:
            after = program.end_mark.line + 1
            yield _Edit(start=after, end=after, lines=tuple(missing))

    def _program(self, container: yaml.MappingNode, lists: list[yaml.SequenceNode]) -> tuple[yaml.Node, str]:
        """Return the item that names kube-apiserver, and its indentation. Flags before it belong to another program."""
        for items in reversed(lists):
            for item in items.value:
                named = str(item.value).rpartition("/")[2] == _CONTAINER and not str(item.value).startswith("-")
                if named and not items.flow_style:
                    return item, " " * items.start_mark.column
        raise self._error(
            container.start_mark,
            f"neither `command` nor `args` names {_CONTAINER} in a line of its own: add the flags by hand",
        )

    def _mount(self, spec: yaml.MappingNode, container: yaml.MappingNode, folder: str) -> Iterator[_Edit]:
        mounts, volumes = _value(container, "volumeMounts"), _value(spec, "volumes")
        if any(_text(each, "mountPath").rstrip("/") == folder for each in _items(mounts)):
            return  # the volume exists, because a mount without a volume is invalid
        mount = ("name: " + _VOLUME, "mountPath: " + folder, "readOnly: true")
        yield self._entry(container, "volumeMounts", mounts, mount, place=1)
        existing = [each for each in _items(volumes) if _text(each, "name") == _VOLUME]
        if existing and _text(_value(existing[0], "hostPath"), "path").rstrip("/") != folder:
            raise self._error(
                existing[0].start_mark,
                f"the volume {_VOLUME} is not {folder}, but another folder: run `authd init --patch-manifest` with "
                "--undo and the old --generate-kubeconfig first, or remove the volume and its mount by hand",
            )
        if not existing:
            volume = ("name: " + _VOLUME, "hostPath:", f"  path: {folder}", "  type: Directory")
            yield self._entry(spec, "volumes", volumes, volume, place=0)

    def _entry(
        self, owner: yaml.MappingNode, key: str, existing: yaml.Node | None, entry: tuple[str, ...], *, place: int
    ) -> _Edit:
        """Return the edit that adds an entry to a list. A new list precedes the owner's key with index `place`."""
        if existing is None:
            following = owner.value[min(place, len(owner.value) - 1)][0]
            at, indent = following.start_mark.line, " " * following.start_mark.column
            head = [f"{indent}{key}:"]
        elif isinstance(existing, yaml.SequenceNode) and not existing.flow_style:
            at, indent, head = existing.start_mark.line, " " * existing.start_mark.column, []
        else:
            raise self._error(existing.start_mark, f"`{key}` is not in YAML's block style: add the mount by hand")
        lines = (*head, f"{indent}- {entry[0]}", *(f"{indent}  {line}" for line in entry[1:]))
        return _Edit(start=at, end=at, lines=lines)

    def _error(self, mark: yaml.Mark, message: str) -> ConfigError:
        problem = Problem(file=self.file, line=mark.line + 1, column=mark.column + 1, message=message)
        return ConfigError((problem,))


def _replaced(item: yaml.Node, *lines: str) -> _Edit:
    return _Edit(start=item.start_mark.line, end=item.end_mark.line + 1, lines=lines)


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    items: list[yaml.Node] = node.value if isinstance(node, yaml.SequenceNode) else []
    return items


def _text(node: yaml.Node | None, key: str) -> str:
    value = _value(node, key)
    return str(value.value) if isinstance(value, yaml.ScalarNode) else ""
