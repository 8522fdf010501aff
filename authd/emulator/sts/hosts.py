"""The region of each host name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

GLOBAL_HOST: Final = "sts.amazonaws.com"
#: The global endpoint is in US East (N. Virginia), also in signatures: STS API Reference, "Endpoints".
GLOBAL_REGION: Final = "us-east-1"

_SUFFIX = (
    r"amazonaws\.com(?:\.cn)?|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov"
    r"|api\.aws(?:\.ic\.gov|\.scloud|\.hci\.ic\.gov)?|api\.amazonwebservices\.(?:com\.cn|eu)"
    r"|api\.cloud-aws\.adc-e\.uk"
)
_REGION = r"(?P<region>[a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2})"
_REGIONAL = re.compile(rf"sts(?:-fips)?\.{_REGION}\.(?:{_SUFFIX})")
_EC2 = re.compile(rf"ec2\.{_REGION}\.(?:{_SUFFIX})")
_VPC_ENDPOINT = re.compile(rf"vpce-[a-z0-9-]+\.sts\.{_REGION}\.vpce\.amazonaws\.com(?:\.cn)?")
_PORT = re.compile(r":[0-9]{1,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRegions:
    """The served hosts, each with its signing region.

    Loopback names belong to `home_region`. `extra` adds further names.
    """

    home_region: str = GLOBAL_REGION
    extra: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def region_of_ec2(self, host_header: str) -> str | None:
        """Return the region of an EC2 endpoint by the Host header's value, or None."""
        match = _EC2.fullmatch(_without_port(host_header.lower()))
        return match["region"] if match else None

    def region_of(self, host_header: str) -> str | None:
        """Return the region of a Host header's value, or None for an unknown host. A port is allowed."""
        host = _without_port(host_header.lower())
        if host == GLOBAL_HOST:
            return GLOBAL_REGION
        if host in self.extra:
            return self.extra[host]
        if host in {"localhost", "127.0.0.1", "[::1]"}:
            return self.home_region
        match = _REGIONAL.fullmatch(host) or _VPC_ENDPOINT.fullmatch(host)
        return match["region"] if match else None


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and _PORT.fullmatch(colon + port) else host
