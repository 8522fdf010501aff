"""Regional STS hosts of well-known regions. botocore's partition data decides the others."""

from __future__ import annotations

from authd.client.fast.sigv4 import NotOnFastPath

GLOBAL_HOST = "sts.amazonaws.com"
GLOBAL_REGION = "us-east-1"
_AREAS = ("us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx")
_DIRECTIONS = (
    "north", "east", "south", "west", "central", "northeast", "northwest", "southeast", "southwest",
)  # fmt: skip


def regional_host(region: str) -> str:
    """Return `sts.<region>.<suffix>`. Raises NotOnFastPath for a name that may not be in aws, aws-cn or aws-us-gov.

    Source: botocore's partition table. The tests compare every region.
    """
    area, _, remaining = region.partition("-")
    suffix = "amazonaws.com.cn" if area == "cn" else "amazonaws.com"
    if area == "us":
        remaining = remaining.removeprefix("gov-")
    direction, _, number = remaining.partition("-")
    if area not in (*_AREAS, "cn") or direction not in _DIRECTIONS or number not in ("1", "2", "3", "4", "5", "6", "7"):
        raise NotOnFastPath
    return f"sts.{region}.{suffix}"
