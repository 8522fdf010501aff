"""The user that a mapping gives a caller in the cluster."""

from __future__ import annotations

from typing import NamedTuple


class KubernetesUser(NamedTuple):
    """The caller's name and groups in the cluster. `rule` is the place of the rule."""

    username: str
    groups: tuple[str, ...]
    rule: str
