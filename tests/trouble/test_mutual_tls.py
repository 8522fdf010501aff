"""With `server.requireClientCertificate`, only holders of the kubeconfig of `authd init --mutual-tls` may connect."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable

import pytest
import yaml

from authd.emulator.directory.sample import ALICE_KEY
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import CLUSTER, bare_environment, script
from tests.integration.rig.ports import free_port
from tests.trouble.rig.reading import LET_IN, outcome


def init(daemon: DaemonProcess, evidence: Evidence, port: int) -> None:
    """Run `authd init --mutual-tls` for a daemon that is not started yet."""
    command = [script("authd"), "init", "--mutual-tls", "-i", CLUSTER, "--state-dir", str(daemon.state)]
    command += ["--port", str(port), "--generate-kubeconfig", str(daemon.kubeconfig)]
    environment = bare_environment(daemon.folder)
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    evidence.said("authd init", done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr


def test_only_the_kubeconfig_of_init_is_accepted(
    make_daemon: Callable[..., DaemonProcess], new_token: Callable[..., str], evidence: Evidence
) -> None:
    """The kubeconfig's client certificate is accepted. Without it the handshake fails before any request is read."""
    port = free_port()
    process = {"arguments": ["--port", str(port), "--kubeconfig-pregenerated"]}
    daemon = make_daemon(requireClientCertificate=True, process=process)
    init(daemon, evidence, port)
    before = daemon.kubeconfig.read_bytes()
    with daemon:
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
        config = yaml.safe_load(before)
        config["users"][0]["user"] = {}
        daemon.kubeconfig.write_text(yaml.safe_dump(config))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            daemon.review(new_token(ALICE_KEY))
        daemon.kubeconfig.write_bytes(before)
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
        assert len([event for event in daemon.events() if "decision" in event]) == 2
        assert not [event for event in daemon.events() if "traceback" in event]


def test_the_daemon_writes_such_a_kubeconfig_itself_and_keeps_it(
    make_daemon: Callable[..., DaemonProcess], new_token: Callable[..., str]
) -> None:
    """Without init the first start writes a kubeconfig with a certificate, which is accepted after a restart too."""
    port = str(free_port())
    daemon = make_daemon(requireClientCertificate=True, process={"arguments": ["--port", port]})
    with daemon:
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
        written = daemon.kubeconfig.read_bytes()
    with daemon:
        assert daemon.kubeconfig.read_bytes() == written
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN


def test_a_client_certificate_is_kept_without_the_setting(
    make_daemon: Callable[..., DaemonProcess],
    settings: Callable[..., str],
    new_token: Callable[..., str],
    evidence: Evidence,
) -> None:
    """A daemon that rewrites the kubeconfig before the setting is enabled keeps the client certificate."""
    port = free_port()
    daemon = make_daemon(process={"arguments": ["--port", str(port)]})
    init(daemon, evidence, free_port())  # another port: the kubeconfig must change
    user = yaml.safe_load(daemon.kubeconfig.read_bytes())["users"][0]["user"]
    with daemon:
        daemon.wait_for_message("has changed: restart kube-apiserver")
        kubeconfig = yaml.safe_load(daemon.kubeconfig.read_bytes())
        assert kubeconfig["clusters"][0]["cluster"]["server"] == f"https://localhost:{port}/authenticate"
        assert kubeconfig["users"][0]["user"] == user
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
    daemon.settings.write_text(settings(requireClientCertificate=True))
    with daemon:
        assert yaml.safe_load(daemon.kubeconfig.read_bytes())["users"][0]["user"] == user
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN


def test_a_kubeconfig_without_a_certificate_gets_one_with_the_setting(
    make_daemon: Callable[..., DaemonProcess], settings: Callable[..., str], new_token: Callable[..., str]
) -> None:
    """If the setting comes before init, the daemon writes the certificate and names the next step."""
    daemon = make_daemon(process={"arguments": ["--port", str(free_port())]})
    with daemon:
        pass
    daemon.settings.write_text(settings(requireClientCertificate=True))
    with daemon:
        daemon.wait_for_message("has changed: restart kube-apiserver")
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
