"""Descriptors and memory of a running daemon, from /proc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Open descriptors, and resident memory in KiB: the current value, and the peak since the last `forget_peak`."""

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
    """Reset the peak memory of a process. See proc(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
