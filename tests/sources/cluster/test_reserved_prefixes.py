"""Reserved prefixes of sources in the cluster."""

from __future__ import annotations

import time

import pytest

from authd.core.errors import DenialReason, Denied
from authd.core.mapping.reserved import ReservedPrefixes
from authd.sources.cluster.crd import CRD
from authd.sources.cluster.eks_configmap import EKSConfigMap
from tests.daemon.fakes import identity
from tests.kubernetes.api_server import CONFIG_MAPS, IDENTITIES
from tests.kubernetes.reactor_thread import wait_until

ARNS = {name: f"arn:aws:iam::111122223333:user/{name}" for name in ("alice", "bob", "carol")}
GROUPS = {"alice": ["devs"], "bob": ["eks:admins"], "carol": ["devs", "system:masters"]}


@pytest.mark.parametrize("kind", [EKSConfigMap, CRD])
def test_each_source_has_its_own(rig, kind):
    """Names with a prefix of their source are refused. Prefixes of other sources don't count."""
    lines = [f"- {{userarn: '{arn}', username: {name}, groups: {GROUPS[name]}}}\n" for name, arn in ARNS.items()]
    rig.server.put(CONFIG_MAPS, "aws-auth", data={"mapUsers": "".join(lines)})
    for name, arn in ARNS.items():
        rig.server.put(IDENTITIES, name, spec={"arn": arn, "username": name, "groups": GROUPS[name]})
    reserved = {
        "DynamicFile": ReservedPrefixes(usernames=("alice",), groups=("devs",)),
        kind.name: ReservedPrefixes(usernames=("dave",), groups=("eks:", "system:")),
    }
    rig.start(kind, settings={"reserved_prefixes": reserved}, **({"now": time.time} if kind is CRD else {}))
    wait_until(lambda: rig.in_force.has_table(kind.name))
    tables = rig.in_force.tables
    assert tables.lookup(identity(ARNS["alice"])).groups == ("devs",)
    for name, prefix in (("bob", "eks:"), ("carol", "system:")):
        with pytest.raises(Denied, match=f"gives a group with the reserved prefix '{prefix}'") as caught:
            tables.lookup(identity(ARNS[name]))
        assert caught.value.reason is DenialReason.USERNAME_RESERVED
