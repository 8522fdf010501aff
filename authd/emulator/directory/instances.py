"""The EC2 instances that the emulated EC2 knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance. A terminated one has no private DNS name."""

    instance_id: str
    account: str
    private_dns_name: str
    state: str = "running"
