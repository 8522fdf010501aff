"""A daemon whose metrics are scraped."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.settings import settings_text


@pytest.fixture(scope="module")
def monitored_daemon(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], DaemonProcess]:
    folder = tmp_path_factory.mktemp("monitored")

    def make() -> DaemonProcess:
        daemon = DaemonProcess(folder, Evidence())
        daemon.settings.write_text(settings_text(sts={}, healthPort=0, auditLog=str(folder / "audit.jsonl")))
        return daemon

    return make
