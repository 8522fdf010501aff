"""The names of all settings, section by section, and the best suggestion for an unknown name.

docs/settings.md has the `#:` comments of names, and of the fields in settings.py: `make reference` copies them.
"""

from __future__ import annotations

import difflib
from collections.abc import Container, Mapping
from types import MappingProxyType

from authd.config.document.nodes import matched, shown

#: The spelling of each name, by the form in which names are compared.
Names = Mapping[str, str]


def _names(*spelled: str) -> Names:
    return MappingProxyType({matched(name): name for name in spelled})


TOP = _names(
    "clusterID",
    "defaultRole",
    #: All settings below.
    "server",
)
#: Keys at the top of a file with this prefix may have any name, for values with anchors.
FREE_PREFIX = "x-"

#: Settings of sources other than this file, and the sources that use each.
SOURCE_OPTIONS = MappingProxyType(
    {
        "dynamicFilePath": ("DynamicFile",),
        "dynamicFileUserIDStrict": ("DynamicFile",),
        "kubeconfig": ("EKSConfigMap", "CRD"),
        "master": ("EKSConfigMap", "CRD"),
    }
)
#: Settings of the look-up of EC2 instances' names.
EC2_OPTIONS = ("ec2DescribeInstancesRoleARN", "ec2DescribeInstancesQps", "ec2DescribeInstancesBurst", "sourceARN")

SERVER = _names(
    "address", "port", "hostname", "healthAddress", "healthPort", "webhookMetrics", "stateDir",
    "generateKubeconfig", "kubeconfigPregenerated", "partition",
    #: Rules for roles, see below.
    "mapRoles",
    #: Rules for users, see below.
    "mapUsers",
    #: Every role and user of such an account may log in, with its canonical ARN as user name and no groups.
    "mapAccounts",
    "rolePatterns", "scrubbedAccounts", "backendMode", "dynamicBackendModePath", "reservedPrefixConfig",
    "requireClientCertificate", "audiences", "userExtra", "maxTokenLength", "startFromLastGood", "maxLockoutShare",
    "auditLog", "auditLogMaxMegabytes", "sts", "tracing", *SOURCE_OPTIONS, *EC2_OPTIONS,
)  # fmt: skip

STS = _names(
    "timeout", "concurrency", "callsPerSecond", "cacheTTL", "staleIfError", "caFile", "proxy", "extraRegions",
    "endpoints",
)  # fmt: skip
TRACING = _names("endpoint", "headersFile", "caFile", "sampleRatio")
ENDPOINT = _names(
    #: The host name in tokens, which TLS verifies.
    "host",
    #: `host:port` to connect to instead.
    "connect",
    #: The certificate authorities to trust for this host, a PEM file.
    "caFile",
    #: The region that requests are signed for, if the name does not contain it, as for VPC endpoints.
    "signingRegion",
)
ROLE = _names(
    #: The role, with or without its path. Sessions of the role match. With `server.rolePatterns` its name may have
    #: wildcards.
    "roleARN",
    #: Instead of `roleARN`, a permission set of IAM Identity Center:
    #: `{permissionSetName: Admin, accountID: "111122223333", partition: aws}`. You may leave out `partition`.
    "sso",
    #: The name in the cluster. If it is missing, callers get their canonical ARN, and you get a warning.
    "username",
    #: A list of groups in the cluster.
    "groups",
    #: Has no effect except a warning: it is for `server.dynamicFileUserIDStrict`.
    "userId",
    #: The time at which the rule begins, in UTC: `2030-12-31T18:00:00Z`, or a date for its first second, `2030-12-31`.
    "validFrom",
    #: The time at which it ends. At this second it no longer matches.
    "validUntil",
)
USER = _names("userARN", "username", "groups", "userId", "validFrom", "validUntil")
SSO = _names("permissionSetName", "accountID", "partition")
RESERVED = _names("backendMode", "usernamePrefixReserveList", "groupPrefixReserveList")

#: The section of each name that occurs in only one, to suggest it for a misplaced name.
_HOMES = MappingProxyType(
    {
        "rolearn": "server.mapRoles",
        "sso": "server.mapRoles",
        "userarn": "server.mapUsers",
        **dict.fromkeys(TRACING, "server.tracing"),
        **dict.fromkeys(STS, "server.sts"),
        **dict.fromkeys(SERVER, "server"),
        **dict.fromkeys(TOP, ""),
    }
)

#: Least similarity (0 to 1) at which a name counts as a misspelling of another.
_ALIKE = 0.6


def unknown(name: str, section: str, known: Names, present: Container[str] = ()) -> str:
    """Return the message for an unknown setting, with a suggestion.

    `section` is its path with a full stop. Names in `present` are not suggested.
    """
    says = f"unknown setting {section}{shown(name)}"
    absent = [key for key in known if key not in present]
    near = difflib.get_close_matches(matched(name[:64]), absent, n=1, cutoff=_ALIKE)
    if near:
        return f"{says}: did you mean {known[near[0]]}?"
    home = _HOMES.get(matched(name))
    if home is not None:
        return f"{says}: move it {f'under {home}' if home else 'to the top of the file, without indentation'}"
    return f"{says}: the settings here are {', '.join(known.values())}"
