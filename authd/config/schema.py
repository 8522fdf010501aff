"""Every setting's name, section by section, and the nearest one to a name that isn't any."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from authd.config.document.nodes import matched, shown

#: For each name as it is compared, the name as it is spelled.
Names = Mapping[str, str]


def _names(*spelled: str) -> Names:
    return MappingProxyType({matched(name): name for name in spelled})


TOP = _names("clusterID", "defaultRole", "server")

#: Settings of aws-iam-authenticator for what is not built yet, and what each is for.
UNBUILT = MappingProxyType({
    "dynamicFilePath": "only the backend MountedFile is built",
    "dynamicFileUserIDStrict": "only the backend MountedFile is built",
    "dynamicBackendModePath": "only the backend MountedFile is built",
    "kubeconfig": "it serves the backends EKSConfigMap and CRD, which are not built",
    "master": "it serves the backends EKSConfigMap and CRD, which are not built",
    "ec2DescribeInstancesRoleARN": "the names of EC2 instances are not looked up",
    "ec2DescribeInstancesQps": "the names of EC2 instances are not looked up",
    "ec2DescribeInstancesBurst": "the names of EC2 instances are not looked up",
    "sourceARN": "the names of EC2 instances are not looked up",
})  # fmt: skip

SERVER = _names(
    "address", "port", "hostname", "healthAddress", "healthPort", "stateDir", "generateKubeconfig",
    "kubeconfigPregenerated", "partition", "mapRoles", "mapUsers", "mapAccounts", "scrubbedAccounts",
    "backendMode", "reservedPrefixConfig", "requireClientCertificate", "audiences", "userExtra",
    "maxTokenLength", "startFromLastGood", "maxLockoutShare", "sts", *UNBUILT,
)  # fmt: skip

STS = _names(
    "timeout", "concurrency", "callsPerSecond", "cacheTTL", "staleIfError", "caFile", "proxy", "extraRegions",
    "endpoints",
)  # fmt: skip
ENDPOINT = _names("host", "connect", "caFile", "signingRegion")
ROLE = _names("roleARN", "sso", "username", "groups", "userId")
USER = _names("userARN", "username", "groups", "userId")
SSO = _names("permissionSetName", "accountID", "partition")
RESERVED = _names("backendMode", "usernamePrefixReserveList")

#: Where each name belongs that stands in one place only, so that one in a wrong place can be told its right one.
_HOMES = MappingProxyType(
    {
        "rolearn": "server.mapRoles",
        "sso": "server.mapRoles",
        "userarn": "server.mapUsers",
        **dict.fromkeys(STS, "server.sts"),
        **dict.fromkeys(SERVER, "server"),
        **dict.fromkeys(TOP, ""),
    }
)

#: How alike two names must be for the one to be a likely slip for the other.
_ALIKE = 0.6


def unknown(name: str, section: str, known: Names) -> str:
    """Say that a setting is unknown, and which one may be meant; `section` is its path with a full stop."""
    says = f"unknown setting {section}{shown(name)}"
    near = difflib.get_close_matches(matched(name[:64]), known, n=1, cutoff=_ALIKE)
    if near:
        return f"{says}: did you mean {known[near[0]]}?"
    home = _HOMES.get(matched(name))
    if home is not None:
        return f"{says}: it belongs {f'under {home}' if home else 'to the top of the file, without indentation'}"
    return f"{says}: known here are {', '.join(known.values())}"
