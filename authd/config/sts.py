"""Reads `server.sts`: the calls to STS and its hosts."""

from __future__ import annotations

from authd.config.fields.addresses import connect, dns_name, proxy
from authd.config.fields.schema import ENDPOINT, STS
from authd.config.fields.section import Section
from authd.config.fields.values import absolute_path, duration, integer, region
from authd.config.settings import STSSettings
from authd.core.partitions import ExtraEndpoint, Partition, STSHosts, UnknownHost

#: kube-apiserver's own timeout for the webhook.
_MAX_TIMEOUT = 30.0
_MIN_TIMEOUT = 0.001
#: More calls in flight than any quota of STS allows.
_MAX_CONCURRENCY = 10_000
_MAX_CALLS_PER_SECOND = 100_000
#: The lifetime of a token in seconds, which no cache exceeds.
_TOKEN_LIFE = 900.0

_DEFAULT = STSSettings()


def read_sts(server: Section, partition: Partition) -> STSSettings:
    """Read the section. The partition determines the hosts of STS."""
    sts = server.section("sts", STS)
    regions = frozenset(name for _, name in sts.values("extraRegions", region))
    return STSSettings(
        timeout=sts.value("timeout", duration(_MIN_TIMEOUT, _MAX_TIMEOUT), _DEFAULT.timeout),
        concurrency=sts.value("concurrency", integer(1, _MAX_CONCURRENCY), _DEFAULT.concurrency),
        calls_per_second=sts.value("callsPerSecond", integer(1, _MAX_CALLS_PER_SECOND), _DEFAULT.calls_per_second),
        cache_ttl=sts.value("cacheTTL", duration(0.0, _TOKEN_LIFE), _DEFAULT.cache_ttl),
        stale_if_error=sts.value("staleIfError", duration(0.0, _TOKEN_LIFE), _DEFAULT.stale_if_error),
        ca_file=sts.value("caFile", absolute_path, None),
        proxy=sts.value("proxy", proxy, None),
        extra_regions=regions,
        endpoints=_endpoints(sts, partition, regions),
    )


def _endpoints(sts: Section, partition: Partition, regions: frozenset[str]) -> tuple[ExtraEndpoint, ...]:
    known = STSHosts(partition=partition, extra_regions=regions)
    endpoints: dict[str, ExtraEndpoint] = {}
    for node in sts.items("endpoints"):
        section = sts.section_at(node, "endpoints", ENDPOINT)
        endpoint = None if section is None else _endpoint(section)
        if section is None or endpoint is None:
            continue
        if endpoint.host in endpoints:
            section.problems.error(node, f"the host {endpoint.host} appears twice in server.sts.endpoints: remove one")
        _check_region(section, endpoint, known)
        endpoints[endpoint.host] = endpoint
    return tuple(endpoints.values())


def _endpoint(section: Section) -> ExtraEndpoint | None:
    host = section.required("host", dns_name, "the host name in tokens, which TLS verifies")
    signing_region = section.value("signingRegion", region, None)
    to, ca_file = section.value("connect", connect, None), section.value("caFile", absolute_path, None)
    if host is None:
        return None
    return ExtraEndpoint(host=host, connect=to, ca_file=ca_file, signing_region=signing_region)


def _check_region(section: Section, endpoint: ExtraEndpoint, known: STSHosts) -> None:
    """Add an error if an endpoint's region is missing, unknown, or another one than in its host name."""
    given, place = endpoint.signing_region, section.node_of("signingRegion") or section.node
    derived = given
    try:
        derived = known.signing_region(endpoint.host)
    except UnknownHost as error:
        if section.node_of("signingRegion") is None:
            section.problems.error(place, f"the endpoint needs a signingRegion, because {error}")
    if given is not None and given != derived:
        section.problems.error(place, f"signingRegion must be {derived}: that is the region in the host's name")
    if given is not None and given not in known.extra_regions:
        try:
            known.partition.check_region(given)
        except UnknownHost:
            here = f"is not a region of the partition {known.partition.name}"
            section.problems.error(place, f"signingRegion {here}: add it to server.sts.extraRegions if it is new")
