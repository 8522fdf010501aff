from __future__ import annotations

import os

import pytest

from authd.cli.doctor.files import examine_files


@pytest.fixture
def tidy(initialised):
    initialised.config.chmod(0o644)
    initialised.config.parent.chmod(0o755)
    initialised.files.folder.chmod(0o700)
    return initialised


def found(installation):
    return [(str(finding.level), finding.fix) for finding in examine_files(installation)]


def test_tidy_files(tidy):
    """Correct modes and owners are one ok finding."""
    assert found(tidy) == [("ok", "")]


@pytest.mark.parametrize(
    ("path", "mode", "level", "fix"),
    [
        (lambda s: s.config, 0o664, "error", "chmod go-w {}"),
        (lambda s: s.config.parent, 0o777, "error", "chmod go-w {}"),
        (lambda s: s.files.folder, 0o755, "warning", "chmod 700 {}"),
        (lambda s: s.kubeconfig, 0o644, "warning", "chmod 600 {}"),
        (lambda s: s.kubeconfig, 0o666, "error", "chmod 600 {}"),
    ],
)
def test_a_mode_that_is_too_open(tidy, path, mode, level, fix):
    """A mode that gives access to others is reported, with the command that corrects it."""
    path(tidy).chmod(mode)
    assert found(tidy) == [(level, fix.format(path(tidy)))]


def test_an_exposed_key(tidy):
    """A private key that others can read is an error."""
    tidy.files.key.chmod(0o640)
    assert found(tidy) == [("error", f"cd {tidy.files.folder} && chmod 600 key.pem")]


def test_a_missing_state_directory(make_installation):
    """A missing state directory is an error."""
    assert [level for level, _ in found(make_installation())] == ["error"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_a_foreign_file(tidy):
    """A file in the state directory that belongs to another user is an error."""
    os.chown(tidy.files.certificate, 65534, 65534)
    ((level, fix),) = found(tidy)
    assert (level, fix) == ("error", f"chown -R root {tidy.files.folder}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_settings_that_the_daemon_can_not_read(tidy):
    """Settings that the daemon's user can't read are an error."""
    for path in (tidy.files.folder, *tidy.files.folder.iterdir()):
        os.chown(path, 65534, 65534)
    tidy.config.chmod(0o600)
    assert found(tidy) == [("error", f"chmod a+rX {tidy.config}")]
