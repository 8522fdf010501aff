"""The commands that `authd doctor` prints fix its findings, if a shell runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from authd.cli.doctor.certificate import examine_certificate
from authd.cli.doctor.files import examine_files
from authd.state.kubeconfig import webhook_kubeconfig
from authd.state.x509 import new_ca

#: Fixes end with what a person must restart.
_BY_HAND = ", then restart kube-apiserver"


def findings(installation):
    """Return the faults, each with its fix."""
    found = [*examine_certificate(installation), *examine_files(installation)]
    return {finding.message: finding.fix for finding in found if finding.fix}


def mode(path, bits):
    return lambda installation: path(installation).chmod(bits)


def _another_ca(installation):
    ca = new_ca("another", datetime.now(UTC)).certificate_pem
    installation.kubeconfig.write_bytes(webhook_kubeconfig(host="localhost", port=21362, authority_pem=ca))


FAULTS = {
    "settings that others may write": mode(lambda installation: installation.config, 0o666),
    "a folder that others may write": mode(lambda installation: installation.config.parent, 0o777),
    "a state directory that others may enter": mode(lambda installation: installation.files.folder, 0o755),
    "a key that others may read": mode(lambda installation: installation.files.key, 0o644),
    "a kubeconfig that others may write": mode(lambda installation: installation.kubeconfig, 0o666),
    "a kubeconfig that others may read": mode(lambda installation: installation.kubeconfig, 0o644),
    "no kubeconfig": lambda installation: installation.kubeconfig.unlink(),
    "no certificate": lambda installation: [installation.files.certificate.unlink(), installation.files.key.unlink()],
    "a certificate that is none": lambda installation: installation.files.certificate.write_text("nonsense"),
    "no state directory": lambda installation: shutil.rmtree(installation.files.folder),
    "another CA in the kubeconfig": _another_ca,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fix_of_a_fault(initialised, fault):
    """After the commands, there are no faults."""
    initialised.kubeconfig.chmod(0o600)
    initialised.files.folder.chmod(0o700)
    initialised.config.parent.chmod(0o755)
    before = findings(initialised)
    FAULTS[fault](initialised)
    found = findings(initialised)
    assert found.keys() - before.keys()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for fix in dict.fromkeys(found[message] for message in found.keys() - before.keys()):
        command = fix.removesuffix(_BY_HAND).replace(", then ", " && ")
        ended = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, (command, ended.stderr)
    assert findings(initialised).keys() <= before.keys()
