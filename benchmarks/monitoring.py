"""Draw docs/monitoring.svg: the dashboard and the alerts of a real daemon in six minutes with incidents.

    python -m benchmarks.monitoring

Needs `prometheus` on PATH. Runs the daemon and an emulated STS on loopback: usual logins, a flood of foreign tokens, an
outage of STS, and a broken settings file.
"""

from __future__ import annotations

import json
import random
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Self

from authd.cli.demo import scenario
from authd.cli.demo.daemon_process import DaemonProcess, EmulatorChild
from authd.cli.demo.tokens import HandSigned
from authd.cli.demo.webhook_client import Webhook
from authd.emulator.directory.sample import ALICE_KEY, MALLORY_KEY
from authd.emulator.faults.plan import Fault
from benchmarks.figures.dashboard import Server, draw_dashboard

ROOT = Path(__file__).parents[1]
_FOREIGN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6a3ViZS1zeXN0ZW06Y29yZWRucyJ9.c2ln"
_OIDC = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIn0.c2ln"
_SCRAPES = """\
global: {{scrape_interval: 2s, evaluation_interval: 2s}}
rule_files: [{rules}]
scrape_configs:
- job_name: authd
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""


def main() -> None:
    """Run the scenario and draw the picture."""
    with ExitStack() as at_end:
        folder = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="authd-monitoring-")))
        emulator = at_end.enter_context(EmulatorChild("--ca-out", str(folder / "sts-ca.pem")))
        settings = folder / "config.yaml"
        text = scenario.settings(folder, emulator.port, emulator.ca)
        settings.write_text(text, "utf-8")
        (folder / "log").mkdir()
        daemon = at_end.enter_context(DaemonProcess(settings, folder / "log" / "daemon.log"))
        health = next(event["health_port"] for event in daemon.events() if "health_port" in event)
        url = at_end.enter_context(_Prometheus(folder, health)).url
        webhook = Webhook(folder / "webhook-kubeconfig.yaml")
        begin = time.time()
        _for(60, webhook, _usual)
        _for(45, webhook, _flood)
        emulator.inject(Fault.UNAVAILABLE)
        _for(100, webhook, _usual)
        emulator.clear()
        settings.write_text(scenario.with_typo(scenario.with_bob(text)), "utf-8")
        _for(100, webhook, _usual)
        settings.write_text(scenario.with_bob(text), "utf-8")
        _for(40, webhook, _usual)
        dashboard = json.loads((ROOT / "deploy" / "monitoring" / "dashboard.json").read_text("utf-8"))
        picture = draw_dashboard(dashboard, Server(url, begin, time.time()))
    (ROOT / "docs" / "monitoring.svg").write_text(picture, "utf-8")


def _usual() -> list[str]:
    """Return the tokens of one round: mostly Alice's, sometimes those of a user without a mapping."""
    keys = [ALICE_KEY, ALICE_KEY, MALLORY_KEY] if random.random() < 0.2 else [ALICE_KEY, ALICE_KEY]
    return [HandSigned(key=key, age=timedelta(seconds=random.randrange(600))).token() for key in keys]


def _flood() -> list[str]:
    return [*_usual(), *[_FOREIGN] * 12, *[_OIDC] * 3]


def _for(seconds: float, webhook: Webhook, turn: Callable[[], list[str]]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for token in turn():
            with suppress(OSError):
                webhook.review(token)
        time.sleep(0.25)


class _Prometheus:
    """A Prometheus server on loopback that scrapes one daemon."""

    def __init__(self, folder: Path, health_port: int) -> None:
        shutil.copy(ROOT / "deploy" / "monitoring" / "alerts.yaml", folder)
        config = folder / "prometheus.yaml"
        config.write_text(_SCRAPES.format(rules=folder / "alerts.yaml", port=health_port))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.url = f"http://{address}"
        self._command = [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={address}", "--log.level=error",
        ]  # fmt: skip

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command)
        while True:
            with suppress(urllib.error.URLError), urllib.request.urlopen(f"{self.url}/-/ready"):
                return self
            time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


if __name__ == "__main__":
    main()
