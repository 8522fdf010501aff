"""Connects the look-up of EC2 instances' names to AWS. Its modules are imported when the first rule needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from authd.aws.instance_names import InstanceNames
from authd.config.settings import Settings
from authd.core.partitions import Partition
from authd.daemon.sts.endpoints import STSEndpoints


def instance_names(
    reactor: Any, settings: Settings, partition: Partition, in_thread: Callable[..., Deferred[Any]]
) -> InstanceNames:
    """Return the look-up for a daemon's settings. EC2 is called with the same proxy and CAs as STS."""
    clients: list[tuple[Any, STSEndpoints]] = []

    async def describe(instance_ids: Sequence[str]) -> Mapping[str, str]:
        if not clients:
            clients.append(_ec2(reactor, settings, partition, in_thread))
        client, hosts = clients[0]
        hosts.refresh()  # a changed CA file
        names: Mapping[str, str] = await client.private_dns_names(instance_ids)
        return names

    return InstanceNames(reactor, describe, qps=settings.ec2_qps, burst=settings.ec2_burst)


def _ec2(
    reactor: Any, settings: Settings, partition: Partition, in_thread: Callable[..., Deferred[Any]]
) -> tuple[Any, STSEndpoints]:
    from authd.aws.ec2 import EC2
    from authd.aws.signing import Signer

    sts = settings.sts
    hosts = STSEndpoints(
        reactor, connect_timeout=sts.timeout, ca_file=sts.ca_file, proxy=sts.proxy, extra=sts.endpoints
    )
    client = EC2(
        reactor,
        hosts,
        Signer(reactor, in_thread),
        suffix=partition.suffix,
        role_arn=settings.ec2_role_arn or "",
        source_arn=settings.source_arn or "",
        timeout=sts.timeout,
    )
    return client, hosts
