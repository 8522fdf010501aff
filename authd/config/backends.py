"""`backendMode` and `reservedPrefixConfig`: the sources of mappings, and the names that each may not give."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from authd.config.document.nodes import Broken, Node, Scalar
from authd.config.fields.schema import RESERVED, SOURCE_OPTIONS
from authd.config.fields.section import Section
from authd.config.fields.values import InvalidValue, listed, name

#: The source whose mappings are in the settings file itself.
MOUNTED_FILE = "MountedFile"
#: Names of releases of aws-iam-authenticator before 0.5.
_OLD_NAMES = MappingProxyType({"File": MOUNTED_FILE, "ConfigMap": "EKSConfigMap"})
BACKENDS = (MOUNTED_FILE, "EKSConfigMap", "CRD", "DynamicFile")


def read_backends(server: Section) -> tuple[str, ...]:
    """Read `backendMode` in its order."""
    lines: dict[str, int] = {}
    for node, backend in server.values("backendMode", _backend, words=True):
        if backend in lines:
            server.problems.warn(node, f"{backend} appears twice in server.backendMode: remove the second one")
            continue
        lines[backend] = node.line
    return tuple(lines) or (MOUNTED_FILE,)


def warn_of_idle_options(server: Section, backends: tuple[str, ...]) -> None:
    """Warn of settings that belong to a source that is not in `backendMode`."""
    for setting, users in SOURCE_OPTIONS.items():
        _warn_if_set(server, setting, backends, users)
    for setting in ("mapRoles", "mapUsers", "mapAccounts"):
        _warn_if_set(server, setting, backends, (MOUNTED_FILE,))


def _warn_if_set(server: Section, setting: str, backends: tuple[str, ...], users: tuple[str, ...]) -> None:
    node = server.node_of(setting)
    if node is None or isinstance(node, Broken) or not set(users).isdisjoint(backends):
        return
    if node.origin is not None and node.origin.option:
        return  # the daemon names all flags without effect in one warning
    if isinstance(node, Scalar) and node.text.lower() == "false":
        return
    server.problems.warn(
        node, f"server.{setting} has no effect: it is for {listed(users)}, which server.backendMode does not have"
    )


class ReservedPrefixes(NamedTuple):
    """The prefixes that each source may not give to user names and to groups."""

    usernames: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[str, ...]]


def read_prefixes(server: Section, backends: tuple[str, ...]) -> ReservedPrefixes:
    """Read `reservedPrefixConfig` and return the reserved prefixes of each source in use."""
    prefixes: dict[str, tuple[str, ...]] = {}
    groups: dict[str, tuple[str, ...]] = {}
    for node in server.items("reservedPrefixConfig"):
        entry = server.section_at(node, "reservedPrefixConfig", RESERVED)
        backend = entry and entry.required("backendMode", _backend, "the backend whose mappings are limited")
        if entry is not None and backend:
            _warn_of_backend(entry, backend, backends, prefixes)
            prefixes[backend] = tuple(text for _, text in entry.values("usernamePrefixReserveList", name))
            groups[backend] = tuple(text for _, text in entry.values("groupPrefixReserveList", name))
    return ReservedPrefixes(_in_use(prefixes, backends), _in_use(groups, backends))


def _in_use(prefixes: Mapping[str, tuple[str, ...]], backends: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({backend: prefixes[backend] for backend in backends if backend in prefixes})


def _warn_of_backend(
    entry: Section, backend: str, backends: tuple[str, ...], earlier: dict[str, tuple[str, ...]]
) -> None:
    place: Node = entry.node
    if backend in earlier:
        entry.problems.warn(place, f"{backend} already has reserved prefixes: these replace them")
    if backend not in backends:
        entry.problems.warn(place, f"the prefixes have no effect: {backend} is not among server.backendMode")


def _backend(text: str) -> str:
    backend = _OLD_NAMES.get(text, text)
    if backend not in BACKENDS:
        near = difflib.get_close_matches(text[:64], BACKENDS, n=1)
        meant = f": did you mean {near[0]}?" if near else f": known are {listed(BACKENDS)}"
        raise InvalidValue(f"names an unknown backend{meant}")
    return backend
