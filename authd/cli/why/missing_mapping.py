"""The mapping that an identity lacks: as YAML for a settings file, or as a command for mappings in the cluster."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass

from authd.config.backends import MOUNTED_FILE
from authd.core.arn import InvalidArn, PrincipalArn, PrincipalKind, parse_arn

#: The role of a permission set. Source: AWS, "Referencing permission sets in resource policies".
_PERMISSION_SET_ROLE = re.compile(r"AWSReservedSSO_(.{1,32})_[0-9a-f]{16}")
#: The session of an instance profile. Source: AWS, "Resource IDs" (8 or 17 digits).
_INSTANCE = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
#: A kubelet's name and groups. Source: Kubernetes, "Using Node Authorization" and "TLS bootstrapping".
_NODE_NAME, _NODE_GROUPS = "system:node:{{EC2PrivateDNSName}}", ("system:bootstrappers", "system:nodes")
#: Sources in the cluster, and their names for `authd add`.
_IN_CLUSTER = {"EKSConfigMap": "aws-auth", "CRD": "crd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingMapping:
    """A mapping for one identity. `permission_set` is empty unless it is a role of IAM Identity Center."""

    arn: PrincipalArn
    permission_set: str
    username: str
    groups: tuple[str, ...]

    def as_yaml(self) -> str:
        """Return the entry to paste below `server` of a settings file."""
        is_role = self.arn.kind is PrincipalKind.ROLE
        subject = f"{'roleARN' if is_role else 'userARN'}: {self.arn.canonical}"
        if self.permission_set:
            names = f"permissionSetName: {json.dumps(self.permission_set)}, accountID: {json.dumps(self.arn.account)}"
            subject = f"sso: {{{names}}}"
        groups = f"[{', '.join(self.groups)}]"
        if not self.groups:
            groups += "  # names of RBAC groups, for example [developers]"
        head = f"  {'mapRoles' if is_role else 'mapUsers'}:\n  - {subject}\n"
        return f"{head}    username: {json.dumps(self.username)}\n    groups: {groups}"

    def as_command(self, source: str) -> str:
        """Return the command that adds the mapping to a source in the cluster."""
        is_role, place = self.arn.kind is PrincipalKind.ROLE, _IN_CLUSTER[source]
        subject = ["--rolearn" if is_role else "--userarn", self.arn.canonical]
        if self.permission_set:
            subject = ["--sso", f"permissionSetName={self.permission_set},accountID={self.arn.account}"]
        words = ["authd", "add", "role" if is_role else "user", *subject, "--username", self.username]
        return shlex.join([*words, "--groups", ",".join(self.groups) or "GROUPS", "--in", place])


def missing_mapping(arn_text: str) -> MissingMapping | None:
    """Return a mapping for an identity, None if its ARN is scrubbed or unknown.

    For a session, it maps the role. For the role of a permission set, it maps the permission set, because the role's
    name changes if it is assigned again. For an EC2 instance, it maps a node.
    """
    try:
        arn = parse_arn(arn_text)
    except InvalidArn:
        return None
    permission_set, username, groups = "", arn.name or "root", ()
    if _INSTANCE.fullmatch(arn.session):
        return MissingMapping(arn=arn, permission_set="", username=_NODE_NAME, groups=_NODE_GROUPS)
    if arn.kind is PrincipalKind.ROLE:
        found = _PERMISSION_SET_ROLE.fullmatch(arn.name)
        permission_set = found[1] if found else ""
        username = "{{SessionNameRaw}}" if found else f"{arn.name}:{{{{SessionName}}}}"
    return MissingMapping(arn=arn, permission_set=permission_set, username=username, groups=groups)


def source_in_cluster(backends: tuple[str, ...]) -> str:
    """Return the source in the cluster that a new mapping belongs to, empty if it belongs to the settings file."""
    if MOUNTED_FILE in backends:
        return ""
    return next((backend for backend in backends if backend in _IN_CLUSTER), "")
