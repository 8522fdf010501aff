"""The machine and the versions under which the figures were measured."""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
import timeit
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.processes import program


def describe() -> dict[str, str]:
    """Return names and versions. `loop` is the time of a fixed Python loop, to compare machines."""
    loop = min(timeit.repeat(lambda: sum(n * n for n in range(100_000)), number=5, repeat=7)) / 5
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "python": platform.python_version(),
        "twisted": version("twisted"),
        "treq": version("treq"),
        "pyopenssl": version("pyopenssl"),
        "openssl": ssl.OPENSSL_VERSION,
        "nginx": _nginx(),
        "authd": version("authd"),
        "loop": f"{loop * 1000:.1f} ms",
    }


def machine_text(machine: Mapping[str, str]) -> str:
    """Describe the machine in one paragraph."""
    known = {name: text for name, text in machine.items() if name not in {"date", "loop", "load before"}}
    return (
        f"Taken {machine['date']}: {', '.join(f'{name} {text}' for name, text in known.items())}. "
        f"A loop of 100 000 steps of plain Python takes {machine['loop']} here; "
        f"the load averages before the run were {machine['load before']}."
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _nginx() -> str:
    answer = subprocess.run([program("nginx"), "-v"], capture_output=True, text=True, check=True)
    return answer.stderr.strip().rpartition("/")[2]
