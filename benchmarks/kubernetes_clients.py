"""Memory and processor time that clients for the Kubernetes API add to the daemon: authd's own and libraries.

From the project's root, with the test extra installed:

  python -m benchmarks.kubernetes_clients

Each program loads the daemon's modules first, then those for a list and a watch of one kind. The libraries are loaded
as in their documentation. kubernetes_asyncio and lightkube's AsyncClient run on asyncio, and kubernetes in threads.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from benchmarks.servers.daemon import environment

RUNS = 7
_DAEMON = "import authd.daemon.tap, authd.daemon.wiring"
CLIENTS = {
    "authd.kubernetes": "import authd.kubernetes.discovery, authd.kubernetes.reflector, authd.daemon.net.api_tls",
    "kubernetes_asyncio": "from kubernetes_asyncio import client, config, watch\n"
    "client.CoreV1Api, client.CustomObjectsApi",
    "kubernetes": "from kubernetes import client, config, watch\nclient.CoreV1Api, client.CustomObjectsApi",
    "lightkube": "from lightkube import AsyncClient\nfrom lightkube.resources.core_v1 import ConfigMap\n"
    "from lightkube.generic_resource import create_global_resource",
}
_LOOK = """
import sys, time
def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024
exec(sys.argv[1], {})
before, begun = resident(), time.process_time()
exec(sys.argv[2], {})
print(resident() - before, (time.process_time() - begun) * 1e3)
"""


def measure(code: str) -> tuple[float, float]:
    """Return the resident memory in MB and the processor time in ms that a program adds to the daemon."""
    command = [sys.executable, "-c", _LOOK, _DAEMON, code]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    memory, spent = map(float, done.stdout.split())
    return memory, spent


def main() -> None:
    """Print the table."""
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in CLIENTS}
    for _ in range(RUNS):
        for name, code in CLIENTS.items():
            samples[name].append(measure(code))
    print("| client | memory, MB | CPU at import, ms |\n| --- | ---: | ---: |")
    for name, found in samples.items():
        memory, spent = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"| {name} | {memory:.1f} | {spent:.0f} |")


if __name__ == "__main__":
    main()
