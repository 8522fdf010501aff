"""Descriptors and memory of a running daemon, as the kernel counts them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Open descriptors, and resident memory in KiB: now, and at its highest since the last `forget_peak`."""

    descriptors: int
    resident: int
    peak: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """Read the current figures of a process."""
        process = Path(f"/proc/{pid}")
        lines = (line.split() for line in (process / "status").read_text().splitlines())
        sizes = {words[0].rstrip(":"): int(words[1]) for words in lines if words[0] in ("VmRSS:", "VmHWM:")}
        count = len(list((process / "fd").iterdir()))
        return cls(descriptors=count, resident=sizes["VmRSS"], peak=sizes["VmHWM"])


def forget_peak(pid: int) -> None:
    """Reset the kernel's record of a process's peak memory. See proc(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
