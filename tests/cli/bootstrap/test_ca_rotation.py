from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest
import yaml
from cryptography import x509

from authd.cli.bootstrap import ca_rotation, processes, rotate_ca, shared_ca
from authd.cli.bootstrap.ca_rotation import Rotation, Step
from authd.cli.bootstrap.processes import started_before
from authd.cli.shared.errors import CommandError
from authd.config.settings import Settings
from authd.core.errors import ConfigError
from authd.daemon.certificates.serving_certificate import ServingCertificate
from authd.state import kubeconfig
from authd.state.certificate_checks import issuer_problem
from authd.state.certificate_store import StateFiles
from authd.state.kubeconfig import ensure_kubeconfig
from authd.state.x509 import CertifiedKey, new_ca, new_leaf
from tests.cli.shapes import parsed

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def no_kube_apiserver(monkeypatch):
    """Hide a kube-apiserver that happens to run on this machine."""
    monkeypatch.setattr(processes, "started_before", lambda *_: [])


@pytest.fixture
def settings(tmp_path):
    """Return the settings of a node after `authd init`."""
    made = Settings(
        cluster_id="c", state_dir=str(tmp_path / "state"), generate_kubeconfig=str(tmp_path / "kubeconfig.yaml")
    )
    files(made).ensure_pair(made.own_names, NOW)
    write_kubeconfig(made)
    return made


def files(settings):
    from pathlib import Path

    return StateFiles(folder=Path(settings.state_dir))


def write_kubeconfig(settings):
    from pathlib import Path

    ensure_kubeconfig(Path(settings.generate_kubeconfig), files(settings), host="localhost", port=1, now=NOW)


def trusted(settings):
    """Return the CAs of the webhook kubeconfig, which a newly started kube-apiserver trusts."""
    from pathlib import Path

    cluster = yaml.safe_load(Path(settings.generate_kubeconfig).read_text())["clusters"][0]["cluster"]
    return x509.load_pem_x509_certificates(base64.b64decode(cluster["certificate-authority-data"]))


def served(settings):
    return x509.load_pem_x509_certificate(files(settings).certificate.read_bytes())


def accepts(authorities, certificate):
    """Return whether a client that trusts these CAs accepts a certificate."""
    return any(not issuer_problem(certificate, authority) for authority in authorities)


def advance(settings, **options):
    return rotate_ca.advance(settings, NOW, **{"shared": None, "force": False, **options}).step


def test_no_login_is_refused(settings):
    """After each step, both the running kube-apiserver and a restarted one accept the served certificate."""
    running = trusted(settings)
    assert advance(settings) is Step.TRUST_BOTH
    assert accepts(running, served(settings))
    running = trusted(settings)  # restarted
    assert len(running) == 2
    assert advance(settings) is Step.SIGN_WITH_NEW
    assert accepts(running, served(settings))
    assert accepts(trusted(settings), served(settings))
    assert advance(settings) is Step.DROP_OLD
    assert accepts(running, served(settings))
    (new,) = trusted(settings)
    assert accepts([new], served(settings))
    assert new != running[0]
    assert not Rotation(files=files(settings)).next_key.exists()
    assert Rotation(files=files(settings)).step() is Step.TRUST_BOTH


@pytest.mark.parametrize("failing", range(1, 9))
def test_a_crash_in_any_write(settings, monkeypatch, failing):
    """After a crash in any write of any step, the served certificate is trusted and the next runs finish the rotation."""
    from authd.cli.bootstrap import ca_rotation
    from authd.state import certificate_store

    running, writes = trusted(settings), 0
    real = ca_rotation.write_atomically

    def write(path, *content, **mode):
        nonlocal writes
        writes += 1
        if writes == failing:
            raise OSError(5, "Input/output error", str(path))
        real(path, *content, **mode)

    for module in (ca_rotation, certificate_store):
        monkeypatch.setattr(module, "write_atomically", write)
    done = []
    while Step.DROP_OLD not in done:
        try:
            done.append(advance(settings))
        except CommandError as error:
            assert "Input/output error" in str(error)
        assert accepts(running, served(settings))
        if done and done[-1] is Step.TRUST_BOTH:
            running = trusted(settings)
    (new,) = trusted(settings)
    assert accepts([new], served(settings))
    assert files(settings).read_authority()


@pytest.mark.parametrize("failing", [Step.TRUST_BOTH, Step.SIGN_WITH_NEW])
def test_an_unwritten_kubeconfig(settings, monkeypatch, failing):
    """If a step could not write the kubeconfig, the next call writes it, and does not begin the next step."""

    def refuse(*_):
        raise OSError(28, "No space left on device")

    if failing is Step.SIGN_WITH_NEW:
        advance(settings)
    with monkeypatch.context() as patch:
        patch.setattr(kubeconfig, "write_if_changed", refuse)
        with pytest.raises(ConfigError, match="No space left"):
            advance(settings)
    assert advance(settings) is failing
    running = trusted(settings)  # restarted
    assert len(running) == 2
    advance(settings)
    assert accepts(running, served(settings))


def test_init_between_the_writes_of_a_step(settings, monkeypatch):
    """`authd init` and the daemon keep both CAs in the kubeconfig if the new one has signed, but is not yet the first."""

    def refuse(path, *_, **__):
        raise OSError(5, "Input/output error", str(path))

    advance(settings)
    with monkeypatch.context() as patch:
        patch.setattr(ca_rotation, "write_atomically", refuse)
        with pytest.raises(CommandError, match="Input/output error"):
            advance(settings)
    daemon = ServingCertificate(files(settings), settings.own_names, lambda: NOW, client_certificates=False)
    daemon.load()
    assert daemon.trusted_pem == files(settings).authority.read_bytes()
    write_kubeconfig(settings)
    running = trusted(settings)  # restarted
    assert len(running) == 2
    assert advance(settings) is Step.TRUST_BOTH  # `write_kubeconfig` has written another port
    assert advance(settings) is Step.SIGN_WITH_NEW
    assert accepts(running, served(settings))


def test_a_kube_apiserver_that_was_not_restarted(settings, monkeypatch):
    """If kube-apiserver has not read the kubeconfig since the last step, the next step is refused, unless forced."""
    monkeypatch.setattr(processes, "started_before", lambda *_: [4711])
    assert advance(settings) is Step.TRUST_BOTH
    with pytest.raises(CommandError, match=r"PID 4711.*restart it first, or use --force"):
        advance(settings)
    assert advance(settings, force=True) is Step.SIGN_WITH_NEW


def test_a_shared_ca(settings, tmp_path):
    """Several nodes change to one CA. The first node creates it."""
    folder = tmp_path / "shared"
    other = StateFiles(folder=tmp_path / "other")
    shared_ca.adopt(folder, other, NOW)
    shared_ca.adopt(folder, other, NOW)
    assert other.read_authority().key_pem == StateFiles(folder=folder).read_authority().key_pem
    with pytest.raises(CommandError, match=r"another CA .*rotate-ca --ca"):
        shared_ca.adopt(folder, files(settings), NOW)
    advance(settings, shared=str(folder))
    advance(settings)
    advance(settings)
    assert files(settings).read_authority().key_pem == other.read_authority().key_pem
    with pytest.raises(CommandError, match="has the CA of"):
        advance(settings, shared=str(folder))


def test_a_key_without_its_ca(tmp_path):
    """An interrupted `init --ca` leaves a key alone. The next run repairs the state directory, or names the file."""
    shared, node = tmp_path / "shared", StateFiles(folder=tmp_path / "node")
    shared_ca.adopt(shared, node, NOW)
    node.authority.unlink()
    shared_ca.adopt(shared, node, NOW)
    assert node.read_authority().certificate_pem == StateFiles(folder=shared).authority.read_bytes()
    StateFiles(folder=shared).authority.unlink()
    with pytest.raises(CommandError, match=r"has ca-key.pem, but not ca.pem: .* remove the key"):
        shared_ca.adopt(shared, node, NOW)


@pytest.mark.parametrize(("key_of", "message"), [("ca", "do not match"), ("leaf", "is not for a CA")])
def test_an_unusable_shared_ca(settings, tmp_path, key_of, message):
    """A CA that can't sign, or whose leaves clients refuse, is an error before the first change."""
    ca = new_ca("x", NOW)
    leaf = new_leaf(ca, settings.own_names, NOW)
    shared = StateFiles(folder=tmp_path / "shared")
    shared.folder.mkdir()
    shared.put_authority(
        leaf if key_of == "leaf" else CertifiedKey(certificate_pem=leaf.certificate_pem, key_pem=ca.key_pem)
    )
    new = StateFiles(folder=tmp_path / "new")
    with pytest.raises(ConfigError, match=f"shared: .*{message}"):
        advance(settings, shared=str(shared.folder))
    with pytest.raises(ConfigError, match=f"shared: .*{message}"):
        shared_ca.adopt(shared.folder, new, NOW)
    assert Rotation(files=files(settings)).step() is Step.TRUST_BOTH
    assert len(trusted(settings)) == 1
    assert not new.folder.exists()


def test_without_certificates(tmp_path):
    """A rotation before `authd init` is an error with the next step."""
    with pytest.raises(CommandError, match="after `authd init`"):
        advance(Settings(cluster_id="c", state_dir=str(tmp_path), generate_kubeconfig=str(tmp_path / "k")))


def test_processes(tmp_path):
    """Processes are selected by name and start time. Names may contain blanks and parentheses."""
    (tmp_path / "uptime").write_text("1000.00 1.00\n")
    for pid, name, ticks in ((1, "kube-apiserver", 100), (2, "kube-apiserver", 90_000), (3, "a) b (c", 100)):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "comm").write_text(f"{name}\n")
        (folder / "stat").write_text(f"{pid} ({name}) S {' '.join('0' * 18)} {ticks} 0\n")
        (folder / "cmdline").write_bytes(b"kube-apiserver\0--authentication-token-webhook-config-file=/k%d\0" % pid)
    assert started_before("kube-apiserver", time.time() - 500, "/k", tmp_path) == [1]
    # Another cluster's kube-apiserver is ignored, unless none names this file, because kubelet may mount it elsewhere.
    assert started_before("kube-apiserver", time.time() - 500, "/k2", tmp_path) == []
    assert started_before("kube-apiserver", time.time() - 500, "/elsewhere", tmp_path) == [1]


def test_the_command(settings, tmp_path, capsys):
    """`authd rotate-ca` prints the step and the process to restart."""
    file = tmp_path / "c.yaml"
    file.write_text(
        f"clusterID: c\nserver: {{stateDir: {settings.state_dir}, generateKubeconfig: {settings.generate_kubeconfig}}}\n"
    )
    import argparse

    parser = argparse.ArgumentParser()
    rotate_ca.add_parser(parser.add_subparsers())
    assert rotate_ca.run(parser.parse_args(["rotate-ca", "-c", str(file)])) == 0
    assert "next  restart kube-apiserver on this node, then run `authd rotate-ca` again" in capsys.readouterr().out
    assert rotate_ca.run(parser.parse_args(["rotate-ca", "-c", str(file), "-o", "json"])) == 0
    assert parsed("rotate-ca", capsys.readouterr().out)["step"] == "sign-with-new"
