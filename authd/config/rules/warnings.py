"""Rules that can be used, but give away more than they seem to."""

from __future__ import annotations

from authd.config.document.nodes import Node
from authd.config.rules.principals import Principal
from authd.config.section import Section
from authd.core.mapping import RolePattern
from authd.core.templates import Template

#: Names that have a meaning of their own in Kubernetes begin so.
#: Source: Kubernetes, "Using RBAC Authorization", default roles and role bindings.
SYSTEM = "system:"
_ADMINISTRATORS = "system:masters"
#: What the caller of AssumeRole chooses freely.
_CHOSEN_BY_CALLER = frozenset({"SessionName", "SessionNameRaw"})


def warn_of_username(rule: Section, username: Template) -> None:
    """Warn of a user name that lets callers choose which system user they are."""
    if _lets_choose(username):
        rule.problems.warn(
            rule.node_of("username") or rule.node,
            "username: callers choose the name of their session, so anyone who can assume the role can be "
            f"any such user, {_example(username)} for one",
        )


def warn_of_group(rule: Section, place: Node, group: Template, subject: Principal | None) -> None:
    """Warn of a group that lets callers choose a system group, and of administrators by a wildcard."""
    if _lets_choose(group):
        rule.problems.warn(
            place,
            "groups: callers choose the name of their session, so anyone who can assume the role can be in "
            f"any such group, {_ADMINISTRATORS} for one",
        )
    if group.text == _ADMINISTRATORS and isinstance(subject, RolePattern):
        rule.problems.warn(
            place, f"{_ADMINISTRATORS} by a wildcard: every role that matches, now or later, rules the whole cluster"
        )


def _lets_choose(template: Template) -> frozenset[str]:
    """Return which of the caller's own words complete a system name; a session's name has no colon in it."""
    return template.placeholders & _CHOSEN_BY_CALLER if template.text.startswith(SYSTEM) else frozenset()


def _example(username: Template) -> str:
    return "any node" if username.text.startswith("system:node:") else "system:kube-controller-manager"
