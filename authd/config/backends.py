"""Reads `backendMode` and `reservedPrefixConfig`: the sources of mappings and their reserved prefixes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from authd.config.document.nodes import Broken, Node, Scalar
from authd.config.fields.schema import RESERVED, SOURCE_OPTIONS
from authd.config.fields.section import Section
from authd.config.fields.values import InvalidValue, listed, name
from authd.core.mapping.reserved import ReservedPrefixes

#: The source whose mappings are in the settings file itself.
MOUNTED_FILE = "MountedFile"
#: Names that aws-iam-authenticator used before 0.5.
_OLD_NAMES = MappingProxyType({"File": MOUNTED_FILE, "ConfigMap": "EKSConfigMap"})
BACKENDS = (MOUNTED_FILE, "EKSConfigMap", "CRD", "DynamicFile")


def read_backends(server: Section) -> tuple[str, ...]:
    """Return the sources of `backendMode` in their order, `MountedFile` alone if it is absent."""
    lines: dict[str, int] = {}
    for node, backend in server.values("backendMode", _backend, words=True):
        if backend in lines:
            server.problems.warn(node, f"{backend} appears twice in server.backendMode: remove the second one")
            continue
        lines[backend] = node.line
    return tuple(lines) or (MOUNTED_FILE,)


def warn_of_idle_options(server: Section, backends: tuple[str, ...]) -> None:
    """Warn of settings for sources that `backendMode` lacks."""
    for setting, users in SOURCE_OPTIONS.items():
        _warn_if_set(server, setting, backends, users)
    for setting in ("mapRoles", "mapUsers", "mapAccounts"):
        _warn_if_set(server, setting, backends, (MOUNTED_FILE,))


def _warn_if_set(server: Section, setting: str, backends: tuple[str, ...], users: tuple[str, ...]) -> None:
    node = server.node_of(setting)
    if node is None or isinstance(node, Broken) or not set(users).isdisjoint(backends):
        return
    if node.origin is not None and node.origin.option:
        return  # the daemon logs one warning for all flags without effect
    if isinstance(node, Scalar) and node.text.lower() == "false":
        return
    server.problems.warn(
        node, f"server.{setting} has no effect: it is for {listed(users)}, which server.backendMode does not have"
    )


def read_prefixes(server: Section, backends: tuple[str, ...]) -> Mapping[str, ReservedPrefixes]:
    """Read `reservedPrefixConfig` and return the reserved prefixes of each source in use."""
    prefixes: dict[str, ReservedPrefixes] = {}
    for node in server.items("reservedPrefixConfig"):
        entry = server.section_at(node, "reservedPrefixConfig", RESERVED)
        backend = entry and entry.required("backendMode", _backend, "the backend whose mappings are limited")
        if entry is not None and backend:
            _warn_of_backend(entry, backend, backends, prefixes)
            prefixes[backend] = ReservedPrefixes(
                usernames=tuple(text for _, text in entry.values("usernamePrefixReserveList", name)),
                groups=tuple(text for _, text in entry.values("groupPrefixReserveList", name)),
            )
    return MappingProxyType({backend: prefixes[backend] for backend in backends if backend in prefixes})


def _warn_of_backend(
    entry: Section, backend: str, backends: tuple[str, ...], earlier: Mapping[str, ReservedPrefixes]
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
