"""The parts of the daemon's memory at rest, measured by a process that loads them one after the other.

From the project's root, with the Python that authd is installed for:

  python -m benchmarks.resident
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from authd.state.certificate_store import StateFiles
from benchmarks.servers.daemon import environment

_LIBRARIES = {
    "Python": "pass",
    "twistd, its reactor and its plugins": """
import twisted.scripts.twistd, twisted.internet.reactor
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
list(getPlugins(IServiceMaker))""",
    "treq": "import treq.client, treq.cookies",
    "PyYAML": "import yaml",
    "httptools, inotify": "import httptools, twisted.internet.inotify",
}
_AUTHD = {
    "authd's modules": "import authd.daemon.tap, authd.daemon.command_line.options",
    "a certificate, its key and TLS": """
from authd.daemon.net.client_tls import trust_context
from authd.daemon.net.server_tls import server_context
server_context("cert.pem", "key.pem")
trust_context("ca.pem")""",
}
_LOOK = """
import sys
def look():
    with open("/proc/self/status") as file:
        print(*(line.split()[1] for line in file if line.startswith(("VmRSS:", "RssFile:"))))
for part in sys.argv[1:]:
    exec(part, {})
    look()
"""


class Part(NamedTuple):
    """The resident memory in MB that an import adds, and its file-backed part."""

    name: str
    megabytes: float
    of_files: float


def measure_parts() -> list[Part]:
    """Load the daemon's modules in a new process, in the daemon's order."""
    parts = _LIBRARIES | _AUTHD
    with tempfile.TemporaryDirectory(prefix="authd-benchmark-") as folder:
        StateFiles(folder=Path(folder)).ensure_pair(["localhost"], datetime.now(UTC))
        seen = subprocess.run(
            [sys.executable, "-c", _LOOK, *parts.values()],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment(),
        )
    at = [(0.0, 0.0)]
    at += [(int(resident) / 1024, int(files) / 1024) for resident, files in map(str.split, seen.stdout.splitlines())]
    steps = zip(parts, at[1:], at, strict=False)
    return [Part(name, now[0] - before[0], now[1] - before[1]) for name, now, before in steps]


def measure_libraries() -> float:
    """Return the resident memory in MB of a process that has loaded only the daemon's libraries."""
    return sum(part.megabytes for part in measure_parts() if part.name in _LIBRARIES)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print("| what | MB | of it pages of files |\n| --- | ---: | ---: |")
    parts = measure_parts()
    for part in [*parts, Part("together", sum(p.megabytes for p in parts), sum(p.of_files for p in parts))]:
        print(f"| {part.name} | {part.megabytes:.1f} | {part.of_files:.1f} |")


if __name__ == "__main__":
    main()
