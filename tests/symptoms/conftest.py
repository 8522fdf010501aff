from __future__ import annotations

import json

import pytest

from authd.emulator.process import EmulatorProcess
from tests.integration.rig.evidence import Evidence
from tests.symptoms.rig.node import Node
from tests.symptoms.rig.states import DIRECTORY


@pytest.fixture
def node(tmp_path):
    """A control-plane node with a daemon that is not started."""
    directory = tmp_path / "directory.json"
    directory.write_text(json.dumps(DIRECTORY))
    with EmulatorProcess("--ca-out", str(tmp_path / "sts-ca.pem"), "--directory", str(directory)) as emulator:
        node = Node(tmp_path, emulator, Evidence())
        yield node
        if hasattr(node.daemon, "process"):
            node.daemon.stop()
