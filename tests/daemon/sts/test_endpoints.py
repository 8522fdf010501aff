"""The route to each STS host."""

from __future__ import annotations

import gc
import time
import weakref
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IHostnameResolver, IResolutionReceiver
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from zope.interface import implementer

from authd.core.errors import ConfigError
from authd.core.partitions import ExtraEndpoint
from authd.daemon.sts.endpoints import STSEndpoints
from tests.daemon.tls import issue


@implementer(IHostnameResolver)
class Names:
    """A resolver that resolves every name to one address, and records the names."""

    def __init__(self) -> None:
        self.queries: list[tuple[str, int]] = []

    def resolveHostName(
        self,
        receiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        *_: object,
        **__: object,
    ) -> Any:
        self.queries.append((hostName, portNumber))
        receiver.resolutionBegan(self)
        receiver.addressResolved(IPv4Address("TCP", "203.0.113.7", portNumber))
        receiver.resolutionComplete()
        return receiver


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    file.write_bytes(issue(None, None).pem)
    return str(file)


def endpoints(ca_file: str, *extra: ExtraEndpoint, proxy: tuple[str, int] | None = None) -> STSEndpoints:
    reactor = MemoryReactorClock()
    reactor.nameResolver = Names()
    return STSEndpoints(reactor, connect_timeout=5.0, ca_file=ca_file, proxy=proxy, extra=extra)


def attempts(reached: STSEndpoints, host: str) -> list[tuple[str, int]]:
    """Return the names or addresses, and ports, of the connection attempts for a host."""
    factory = Factory.forProtocol(Protocol)
    attempt = reached.endpoint(host).connect(factory)
    attempt.addErrback(lambda _: None)
    reactor = reached._reactor
    reactor.advance(1)
    queries: list[tuple[str, int]] = reactor.nameResolver.queries
    assert [port for _, port, *_ in reactor.tcpClients] == [port for _, port in queries]
    attempt.cancel()
    return queries


def test_a_host_is_looked_up_by_its_name(ca_file: str) -> None:
    """By default a host is resolved and reached on port 443."""
    host = "sts.us-east-1.amazonaws.com"
    assert attempts(endpoints(ca_file), host) == [(host, 443)]


def test_connect_overrides_the_address(ca_file: str) -> None:
    """A host with `connect` is reached at that address, without the look-up or the proxy."""
    extra = ExtraEndpoint(host="sts.us-east-1.amazonaws.com", connect="127.0.0.1:8443")
    for proxy in (None, ("192.0.2.1", 3128)):
        assert attempts(endpoints(ca_file, extra, proxy=proxy), extra.host) == [("127.0.0.1", 8443)]


def test_an_ipv6_address_may_be_in_brackets(ca_file: str) -> None:
    """`connect` accepts an IPv6 address in brackets."""
    extra = ExtraEndpoint(host="sts.us-east-1.amazonaws.com", connect="[::1]:8443")
    assert attempts(endpoints(ca_file, extra), extra.host) == [("::1", 8443)]


def test_other_hosts_are_reached_through_the_proxy(ca_file: str) -> None:
    """With a proxy, a host without `connect` is reached through it."""
    assert attempts(endpoints(ca_file, proxy=("192.0.2.1", 3128)), "sts.us-east-1.amazonaws.com") == [
        ("192.0.2.1", 3128)
    ]


def test_a_hosts_endpoint_is_built_once(ca_file: str) -> None:
    """TLS contexts are shared, and each host's endpoint is built at its first use."""
    reached = endpoints(ca_file)
    assert reached.endpoint("sts.a.amazonaws.com") is reached.endpoint("sts.a.amazonaws.com")
    assert reached.endpoint("sts.a.amazonaws.com") is not reached.endpoint("sts.b.amazonaws.com")


def test_built_endpoints_are_bounded(ca_file: str) -> None:
    """A token may name a region that doesn't exist, so the endpoints of such hosts are not all kept."""
    reached = endpoints(ca_file)
    built = [
        weakref.ref(reached.endpoint(f"sts.us-{a}{b}{c}-1.amazonaws.com"))
        for a, b, c in product(ascii_lowercase[:10], repeat=3)
    ]
    gc.collect()
    assert 0 < sum(each() is not None for each in built) <= 512


@pytest.mark.parametrize("host", ["default", "extra"])
def test_an_unusable_ca_file_is_an_error_at_start(tmp_path: Path, ca_file: str, host: str) -> None:
    """An unusable CA file is a `ConfigError` that names it, before any connection."""
    broken = tmp_path / "broken.pem"
    broken.write_text("nonsense")
    extra = ExtraEndpoint(host="sts.example", ca_file=str(broken), signing_region="us-east-1")
    with pytest.raises(ConfigError, match="holds no PEM certificate") as caught:
        endpoints(str(broken)) if host == "default" else endpoints(ca_file, extra)
    assert caught.value.problems[0].file == str(broken)
    with pytest.raises(ConfigError, match="No such file"):
        endpoints(str(tmp_path / "missing.pem"))


def test_the_route_is_described(ca_file: str) -> None:
    """Error messages name the address of the connection, or the proxy."""
    host = "sts.us-east-1.amazonaws.com"
    extra = ExtraEndpoint(host=host, connect="127.0.0.1:8443")
    assert endpoints(ca_file).route(host) == f"{host}:443"
    assert endpoints(ca_file, extra).route(host) == f"{host} at 127.0.0.1:8443"
    assert endpoints(ca_file, proxy=("proxy", 3128)).route(host) == f"{host} through the proxy proxy:3128"


def test_a_changed_ca_file_is_used(ca_file: str) -> None:
    """New connections trust the changed CA file. A broken file is logged once, and the old CAs stay."""
    reached = endpoints(ca_file)
    assert reached.ca_files == (ca_file,)
    before = reached.endpoint("sts.amazonaws.com")
    reached.refresh()
    assert reached.endpoint("sts.amazonaws.com") is before
    Path(ca_file).write_bytes(issue(None, None).pem * 2)
    with capturedLogs() as events:
        reached.refresh()
        reached.refresh()
    assert [event["log_level"].name for event in events] == ["info"]
    after = reached.endpoint("sts.amazonaws.com")
    assert after is not before
    Path(ca_file).write_text("nonsense")
    with capturedLogs() as events:
        reached.refresh()
        reached.refresh()
    assert [event["log_level"].name for event in events] == ["error"]
    assert reached.endpoint("sts.amazonaws.com") is after


def test_a_ca_file_is_read_again_after_a_change_of_its_permissions(
    ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the changed file could not be read because of its permissions, it is used as soon as they are corrected."""

    def refuse(_file: str) -> None:
        raise PermissionError(13, "Permission denied")

    reached = endpoints(ca_file)
    Path(ca_file).write_bytes(issue(None, None).pem)
    with capturedLogs() as events, monkeypatch.context() as patched:
        patched.setattr("authd.daemon.sts.endpoints.trust_context", refuse)
        reached.refresh()
    assert [event["log_level"].name for event in events] == ["error"]
    time.sleep(0.05)  # the file system's clock has a resolution of some milliseconds
    Path(ca_file).chmod(0o644)
    with capturedLogs() as events:
        reached.refresh()
    assert [event["log_level"].name for event in events] == ["info"]
