"""Builds the access to STS from the settings, for the daemon and for `authd verify`."""

from __future__ import annotations

from typing import Any, NamedTuple

from authd.config.settings import Settings
from authd.core.partitions import Partition, STSHosts
from authd.daemon.event_loop import Turns
from authd.daemon.net.tls import TLSBatches
from authd.daemon.sts.agent import STSAgent
from authd.daemon.sts.client import STSClient
from authd.daemon.sts.endpoints import STSEndpoints


class STSAccess(NamedTuple):
    """The allowed STS hosts, the client that calls them, its agent, which keeps idle connections, and its endpoints."""

    hosts: STSHosts
    client: STSClient
    agent: STSAgent
    endpoints: STSEndpoints


def sts_access(
    reactor: Any,
    settings: Settings,
    partition: Partition,
    turns: Turns | None = None,
) -> STSAccess:
    """Build the access to STS. Connects to nothing. Raises `ConfigError` if a CA file is unusable.

    `turns` batches the calls of many reviews.
    """
    sts = settings.sts
    hosts = STSHosts(partition=partition, extra_regions=sts.extra_regions, extra_endpoints=sts.endpoints)
    endpoints = STSEndpoints(
        reactor,
        connect_timeout=sts.timeout,
        ca_file=sts.ca_file,
        proxy=sts.proxy,
        extra=sts.endpoints,
        batches=None if turns is None else TLSBatches(turns),
    )
    agent = STSAgent(reactor, endpoints)
    client = STSClient(
        reactor,
        agent,
        cluster_id=settings.cluster_id,
        partition=settings.partition,
        timeout=sts.timeout,
        route=endpoints.route,
        turns=turns,
    )
    return STSAccess(hosts, client, agent, endpoints)
