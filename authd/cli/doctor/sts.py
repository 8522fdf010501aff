"""Checks each STS endpoint: DNS, proxy, TLS and latency. Compares the local clock with STS's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from authd.cli.doctor.findings import Finding, error, ok, warning
from authd.cli.doctor.https import ProbeError, Response, Route, Untrusted, client_context, probe
from authd.cli.doctor.installation import Installation
from authd.core.partitions import ExtraEndpoint
from authd.partition_data import load_partitions

#: A request without a signature. STS refuses it, which shows that STS is reachable.
_PATH = "/?Action=GetCallerIdentity&Version=2011-06-15"
_HTTPS_PORT = 443
_MAX_THREADS = 8
#: Seconds. A token may be signed 5 minutes in the future at most. Source: docs/reasons.md, `token_not_yet_valid`.
_SKEW_ERROR, _SKEW_WARNING = 300.0, 30.0
_SLOW_SECONDS = 1.0


class _Result(NamedTuple):
    finding: Finding
    skew: float | None = None


def examine_sts(installation: Installation) -> Iterator[Finding]:
    """Send one request without credentials to each endpoint."""
    endpoints = _endpoints(installation)
    with ThreadPoolExecutor(_MAX_THREADS) as threads:
        results = list(threads.map(lambda endpoint: _ask(installation, endpoint), endpoints))
    yield from (result.finding for result in results)
    skews = [result.skew for result in results if result.skew is not None]
    if skews:
        yield _clock(min(skews, key=abs))


def _endpoints(installation: Installation) -> list[ExtraEndpoint]:
    """Return the configured endpoints and regions, or else the partition's default host."""
    sts, partition = installation.settings.sts, load_partitions()[installation.settings.partition]
    known = {endpoint.host: endpoint for endpoint in sts.endpoints}
    regions = [*sorted(sts.extra_regions), *installation.regions]
    if not known and not regions and partition.name != "aws":
        regions = sorted(partition.regions)[:1]
    hosts = [f"sts.{region}.{partition.suffix}" for region in regions]
    if not known and not hosts:
        hosts = [f"sts.{partition.suffix}"]
    return [*known.values(), *(ExtraEndpoint(host=host) for host in hosts if host not in known)]


def _ask(installation: Installation, endpoint: ExtraEndpoint) -> _Result:
    sts = installation.settings.sts
    ca_file = endpoint.ca_file or sts.ca_file
    try:
        context = client_context(ca_file=ca_file)
    except OSError as problem:  # also ssl.SSLError
        return _Result(error(f"the CA file {ca_file} for {endpoint.host} can't be used: {problem}", "correct caFile"))
    try:
        begin = time.time()
        response = probe(_route(endpoint, sts.proxy), context, _PATH, timeout=installation.timeout)
    except Untrusted as problem:
        fix = "set caFile to the CA of the proxy or endpoint, or correct its certificate"
        return _Result(error(f"{endpoint.host}: {problem}", fix))
    except ProbeError as problem:
        fix = "check DNS, routes, firewall and server.sts.proxy"
        return _Result(error(f"{endpoint.host}: {problem}", fix))
    return _result(endpoint.host, response, (begin + time.time()) / 2)


def _route(endpoint: ExtraEndpoint, proxy: tuple[str, int] | None) -> Route:
    if endpoint.connect is None:
        return Route(host=endpoint.host, address=(endpoint.host, _HTTPS_PORT), proxy=proxy)
    host, _, port = endpoint.connect.rpartition(":")
    return Route(host=endpoint.host, address=(host.strip("[]"), int(port)))


def _result(host: str, response: Response, now: float) -> _Result:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if "x-amzn-requestid" not in headers:
        message = f"{host}: another server than STS responds, with status {response.status}"
        return _Result(error(message, "look for a proxy or captive portal, or a wrong `connect`"))
    try:
        skew: float | None = now - parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        skew = None
    message = f"{host} answers in {response.seconds * 1000:.0f} ms"
    if response.seconds > _SLOW_SECONDS:
        fix = "use a nearer region, or look at the proxy and DNS: each new login waits that long"
        return _Result(warning(message, fix), skew)
    return _Result(ok(message), skew)


def _clock(skew: float) -> Finding:
    """Return the finding for a skew in seconds, positive if the local clock is ahead. STS's Date has whole seconds."""
    if abs(skew) < _SKEW_WARNING:
        return ok("the clock agrees with STS's")
    message = f"the clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} STS's"
    fix = "timedatectl set-ntp true"
    return error(message, fix) if abs(skew) >= _SKEW_ERROR else warning(message, fix)
