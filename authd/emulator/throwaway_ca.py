"""A certificate authority that lives as long as one emulator."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from authd.state.x509 import new_ca, new_leaf

if TYPE_CHECKING:
    from collections.abc import Sequence

_REGIONS: Final = (
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "ap-northeast-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "sa-east-1",
)
#: The names that every throw-away certificate covers.
USUAL_HOSTS: Final = (
    "sts.amazonaws.com",
    *(f"sts.{region}.amazonaws.com" for region in _REGIONS),
    "sts.us-gov-west-1.amazonaws.com",
    "sts.cn-north-1.amazonaws.com.cn",
    "localhost",
    "127.0.0.1",
    "::1",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Throwaway:
    """A CA certificate, and a leaf under it with the leaf's key. All are PEM."""

    authority_pem: bytes
    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


def make_throwaway(extra_hosts: Sequence[str] = ()) -> Throwaway:
    """Create a CA and a leaf for the usual hosts and `extra_hosts`. The CA's key is discarded."""
    now = datetime.now(UTC)
    authority = new_ca("authd emulator, throw-away", now)
    leaf = new_leaf(authority, (*USUAL_HOSTS, *extra_hosts), now)
    return Throwaway(
        authority_pem=authority.certificate_pem, certificate_pem=leaf.certificate_pem, key_pem=leaf.key_pem
    )
