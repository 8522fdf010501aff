"""The next step for each reason of a decision."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from authd.core.decision import ALLOWED
from authd.core.errors import DenialReason, UnavailableReason

NEXT_STEPS: Mapping[str, str] = MappingProxyType(
    {
        ALLOWED: "None: the login was accepted. If kubectl says Forbidden, look at the RBAC bindings of the groups.",
        DenialReason.FOREIGN_TOKEN: "None, if it is a service account's. A user needs authd-token in the kubeconfig.",
        DenialReason.MALFORMED_TOKEN: "Mint a new token. Add an STS host of your own to sts.endpoints.",
        DenialReason.TOKEN_EXPIRED: "Mint a new token. If it is new, set the caller's clock: it is behind.",
        DenialReason.TOKEN_NOT_YET_VALID: "Set the caller's clock, which is ahead, or the control plane's.",
        DenialReason.SIGNATURE_MISMATCH: "Compare clusterID with the plugin's --cluster-id. If they are equal, the "
        "secret key is wrong.",
        DenialReason.SIGNATURE_EXPIRED: "Set the control plane's clock. `authd doctor` compares it with that of STS.",
        DenialReason.CREDENTIALS_EXPIRED: "The caller logs in to AWS again, for example with `aws sso login`.",
        DenialReason.UNKNOWN_ACCESS_KEY: "The caller needs an active access key of this partition. STS does not know "
        "this one.",
        DenialReason.STS_ACCESS_DENIED: "Allow sts:GetCallerIdentity in the VPC endpoint's policy and in SCPs.",
        DenialReason.STS_REGION_DISABLED: "Activate STS for the region in the caller's account, or mint with another "
        "--region.",
        DenialReason.STS_REFUSED: "The caller runs `aws sts get-caller-identity` to see STS's own message.",
        DenialReason.AUDIENCE_MISMATCH: "Add kube-apiserver's --api-audiences to server.audiences.",
        DenialReason.UNSUPPORTED_IDENTITY: "The caller logs in with an IAM role or user of the daemon's partition.",
        DenialReason.IDENTITY_NOT_MAPPED: "Add a mapping, or let the caller use a role that has one.",
        DenialReason.USERNAME_NOT_RENDERED: "Remove the placeholder from the rule: this caller has no value for it.",
        DenialReason.USERNAME_RESERVED: "Change the rule's username, or server.reservedPrefixConfig.",
        DenialReason.INSTANCE_NAME_UNKNOWN: "Check that the session is an instance of the daemon's region and account.",
        DenialReason.INSTANCE_LOOKUP_REFUSED: "Allow ec2:DescribeInstances to authd's own credentials, and "
        "sts:AssumeRole if it has a role.",
        DenialReason.INTERNAL_ERROR: "Report the traceback in the daemon's log: this is a bug of authd.",
        UnavailableReason.STS_THROTTLED: "Look for a flood in the log. STS throttles this address or account.",
        UnavailableReason.STS_ERROR: "Wait: STS answered with an error of its own. See the AWS Health Dashboard.",
        UnavailableReason.STS_BAD_ANSWER: "Look for a proxy or captive portal between the control plane and STS.",
        UnavailableReason.STS_UNREACHABLE: "Run `authd doctor`: it tries DNS, routing, proxy and certificate of STS.",
        UnavailableReason.STS_TIMEOUT: "Run `authd doctor`: it tests the network. A firewall may drop packets.",
        UnavailableReason.INSTANCE_LOOKUP_FAILED: "Read the message. Check the network to EC2 and authd's credentials.",
        UnavailableReason.INSTANCE_LOOKUP_TIMEOUT: "Check the network to EC2: routes, firewall and server.sts.proxy.",
        UnavailableReason.INSTANCE_LOOKUP_THROTTLED: "Wait, or lower server.ec2DescribeInstancesQps: EC2 throttles the "
        "account.",
        UnavailableReason.OVERLOADED: "Look for the access key with the most requests, or raise sts.concurrency.",
        UnavailableReason.CIRCUIT_OPEN: "Run `authd doctor`. As soon as STS answers, authd uses it again by itself.",
    }
)


def next_step(reason: str) -> str:
    """Return the next step for a reason. For an unknown one, it points to the documentation."""
    return NEXT_STEPS.get(reason, "See docs/reasons.md of the daemon's version.")
