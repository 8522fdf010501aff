"""`backendMode` and `reservedPrefixConfig`: where mappings come from, and which names they may not give."""

from __future__ import annotations

import difflib

from authd.config.document.nodes import Node
from authd.config.schema import RESERVED
from authd.config.section import Section
from authd.config.values import InvalidValue, listed, name

#: The one backend that is built.
MOUNTED_FILE = "MountedFile"
#: Its name in releases of aws-iam-authenticator before 0.5.
_OLD_MOUNTED_FILE = "File"
_BACKENDS = (MOUNTED_FILE, "EKSConfigMap", "CRD", "DynamicFile")


def read_backends(server: Section) -> tuple[str, ...]:
    """Read `backendMode`; a backend that isn't built is an error that says so."""
    lines: dict[str, int] = {}
    for node, backend in server.values("backendMode", _backend):
        if backend in lines:
            server.problems.error(node, f"{backend} stands in server.backendMode twice: keep one")
        elif backend != MOUNTED_FILE:
            server.problems.error(node, f"the backend {backend} is not supported yet: only {MOUNTED_FILE} is")
        lines[backend] = node.line
    return tuple(lines) or (MOUNTED_FILE,)


def read_prefixes(server: Section, backends: tuple[str, ...]) -> tuple[str, ...]:
    """Read `reservedPrefixConfig` and return the prefixes reserved for the backends in use."""
    prefixes: dict[str, tuple[str, ...]] = {}
    for node in server.items("reservedPrefixConfig"):
        entry = server.section_at(node, "reservedPrefixConfig", RESERVED)
        backend = entry and entry.required("backendMode", _backend, "the backend whose mappings are limited")
        if entry is not None and backend:
            _warn_of_backend(entry, backend, backends, prefixes)
            prefixes[backend] = tuple(text for _, text in entry.values("usernamePrefixReserveList", name))
    return tuple(prefix for backend in backends for prefix in prefixes.get(backend, ()))


def _warn_of_backend(
    entry: Section, backend: str, backends: tuple[str, ...], earlier: dict[str, tuple[str, ...]]
) -> None:
    place: Node = entry.node
    if backend in earlier:
        entry.problems.warn(place, f"{backend} has reserved prefixes already: these replace the earlier ones")
    if backend not in backends:
        entry.problems.warn(place, f"the prefixes have no effect: {backend} is not among server.backendMode")


def _backend(text: str) -> str:
    backend = MOUNTED_FILE if text == _OLD_MOUNTED_FILE else text
    if backend not in _BACKENDS:
        near = difflib.get_close_matches(text[:64], _BACKENDS, n=1)
        meant = f": did you mean {near[0]}?" if near else f": known are {listed(_BACKENDS)}"
        raise InvalidValue(f"names an unknown backend{meant}")
    return backend
