from __future__ import annotations

import os

import pytest

from authd.cli.doctor.limits import examine_limits


@pytest.fixture
def examine(make_installation):
    def run(instances, watches, used):
        installation = make_installation()
        folder = installation.proc / "sys" / "fs" / "inotify"
        folder.mkdir(parents=True)
        (folder / "max_user_instances").write_text(f"{instances}\n")
        (folder / "max_user_watches").write_text(f"{watches}\n")
        descriptors = installation.proc / "1" / "fd"
        descriptors.mkdir(parents=True)
        os.symlink("socket:[1]", descriptors / "x")
        (installation.proc / "1" / "cmdline").write_bytes(b"twistd\0authd\0")
        for number in range(used):
            os.symlink("anon_inode:inotify", descriptors / str(number))
        (finding,) = examine_limits(installation)
        return str(finding.level), finding.message, finding.fix

    return run


def test_enough(examine):
    """Enough free instances are one ok finding."""
    assert examine(128, 65536, 3) == ("ok", "inotify: 3 of 128 instances in use, 65536 watches allowed", "")


@pytest.mark.parametrize(
    ("instances", "watches", "used", "level", "fix"),
    [
        (3, 65536, 3, "error", "sysctl -w fs.inotify.max_user_instances=512"),
        (10, 65536, 3, "warning", "sysctl -w fs.inotify.max_user_instances=512"),
        (128, 10, 3, "warning", "sysctl -w fs.inotify.max_user_watches=65536"),
    ],
)
def test_too_few(examine, instances, watches, used, level, fix):
    """A reached limit is an error, a near one a warning, with the command that raises it."""
    found = examine(instances, watches, used)
    assert (found[0], found[2]) == (level, fix)


def test_no_inotify(make_installation):
    """A system without inotify is a warning."""
    (finding,) = examine_limits(make_installation())
    assert finding.level == "warning"
    assert "polling" in finding.message
