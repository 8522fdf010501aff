"""Reads the file of `server.dynamicBackendModePath`: JSON or YAML with `backendMode`, the sources in their order.

Its other keys (`LastUpdatedDateTime`, `Version`, `ClusterID` or others) are for the program that writes it.
"""

from __future__ import annotations

from authd.config.backends import read_backends
from authd.config.document.decoding import Unreadable, decoding
from authd.config.document.nodes import MappingNode
from authd.config.document.problems import Problems
from authd.config.document.tree import reading_tree
from authd.config.fields.section import Section
from authd.core.cooperative import finish

_NAMES = {"backendmode": "backendMode"}


def read_backend_file(content: bytes, file: str) -> tuple[str, ...]:
    """Return the names of the sources. Raises `InvalidSettings` if the file is broken or names none."""
    problems = Problems(file)
    try:
        root = finish(reading_tree(finish(decoding(content)), problems, {}))
    except Unreadable as fault:
        problems.error(fault, fault.message)
        raise problems.failure() from None
    problems.raise_errors()
    # Any other key is allowed, because aws-iam-authenticator ignores it.
    section = Section(root, "", _NAMES, problems, extra="") if isinstance(root, MappingNode) else None
    if section is None or section.node_of("backendMode") is None:
        problems.error(root, 'backendMode is missing: write {"backendMode": "MountedFile EKSConfigMap"}')
        raise problems.failure()
    backends = read_backends(section)
    problems.raise_errors()
    return backends
