"""AWS partitions, and the host names of their STS endpoints.

Sources: botocore's bundled `partitions.json` and `endpoints.json`, passed in as bytes. AWS, "AWS STS Regions and
endpoints" for the forms of the names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

#: A region's name in the form that AWS has used so far (`us-east-1`, `us-gov-west-1`), for every partition. It is
#: stricter than the partitions' own expressions: their `\w` matches other scripts, and their `$` allows a newline.
REGION = re.compile(r"[a-z]{2,8}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}")
_HOST = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}")
_FIPS_HOST = re.compile(rb'"hostname"\s*:\s*"(sts-fips\.[a-z0-9.-]{1,200})"')

#: The only host without a region in its name. Its requests are signed for us-east-1.
_GLOBAL_HOST = "sts.amazonaws.com"
_GLOBAL_REGION = "us-east-1"


class UnknownHost(ValueError):
    """The host name is not an STS endpoint that this daemon accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One AWS partition. `region_grammar` is the partition's own expression for the names of its regions."""

    name: str
    suffix: str
    dual_stack_suffix: str
    region_grammar: re.Pattern[str]
    regions: frozenset[str]
    fips_hosts: frozenset[str]

    def check_region(self, label: str) -> None:
        """Raise `UnknownHost` unless the label is a region of the partition or could become one."""
        fits = REGION.fullmatch(label) and self.region_grammar.fullmatch(label)
        if not fits and label not in self.regions:
            raise UnknownHost(f"the host name has no region of the partition {self.name}")


def read_partitions(partitions_json: bytes, endpoints_json: bytes) -> Mapping[str, Partition]:
    """Build every partition from botocore's two files. `endpoints_json` is needed for the FIPS hosts only.

    Raises `ValueError` if the files don't have the shape of botocore's.
    """
    fips_hosts = frozenset(host.decode() for host in _FIPS_HOST.findall(endpoints_json))
    try:
        entries = json.loads(partitions_json)["partitions"]
        partitions = {entry["id"]: _partition(entry, fips_hosts) for entry in entries}
    except (KeyError, TypeError) as error:
        raise ValueError("botocore's partition data has an unexpected shape") from error
    return MappingProxyType(partitions)


def _partition(entry: Mapping[str, object], fips_hosts: frozenset[str]) -> Partition:
    outputs, regions = entry["outputs"], entry["regions"]
    if not isinstance(outputs, dict) or not isinstance(regions, dict):
        raise TypeError("outputs and regions")
    return Partition(
        name=str(entry["id"]),
        suffix=outputs["dnsSuffix"],
        dual_stack_suffix=outputs["dualStackDnsSuffix"],
        region_grammar=re.compile(str(entry["regionRegex"]), re.ASCII),
        regions=frozenset(name for name in regions if REGION.fullmatch(name)),
        fips_hosts=fips_hosts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraEndpoint:
    """A host that the settings add, or another route to a known one.

    `connect` is `host:port`, or None for the host itself on port 443. `ca_file` is None for the default trust store.
    `signing_region` is None if the host's name contains the region.
    """

    host: str
    connect: str | None = None
    ca_file: str | None = None
    signing_region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class STSHosts:
    """The allow-list of hosts in tokens, and the region that requests to each are signed for."""

    partition: Partition
    extra_regions: frozenset[str] = frozenset()
    extra_endpoints: Sequence[ExtraEndpoint] = ()
    _signing_regions: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        here = self.partition
        regional = ((f"sts.{r}.{suffix}", r) for r in here.regions for suffix in (here.suffix, here.dual_stack_suffix))
        known = {host: region for host, region in regional if _HOST.fullmatch(host)}
        known |= {e.host: e.signing_region for e in self.extra_endpoints if e.signing_region is not None}
        if here.name == "aws":
            known.setdefault(_GLOBAL_HOST, _GLOBAL_REGION)
        object.__setattr__(self, "_signing_regions", known)

    @property
    def named(self) -> frozenset[str]:
        """The hosts that the partition's data and the settings name. Tokens may name regions that don't exist."""
        here = self.partition
        added = (f"sts.{r}.{suffix}" for r in self.extra_regions for suffix in (here.suffix, here.dual_stack_suffix))
        return frozenset((*self._signing_regions, *here.fips_hosts, *added, *(e.host for e in self.extra_endpoints)))

    def signing_region(self, host: str) -> str:
        """Return the region that requests to `host` are signed for. Raises `UnknownHost` if it is not on the list."""
        known = self._signing_regions.get(host)
        return self._region_in(host) if known is None else known

    def _region_in(self, host: str) -> str:
        label, _, rest = host.partition(".")
        region, _, suffix = rest.partition(".")
        here = self.partition
        regional = label == "sts" and suffix in (here.suffix, here.dual_stack_suffix)
        if not _HOST.fullmatch(host) or not (regional or host in here.fips_hosts):
            raise UnknownHost(f"the host is not an STS endpoint of the partition {here.name}")
        if region not in self.extra_regions:
            here.check_region(region)
        return region
