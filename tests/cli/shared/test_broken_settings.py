from __future__ import annotations

import pytest

from authd.cli.shared.broken_settings import path_in_broken_file


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("server:\n  stateDir: /srv/authd\n  grups: [\n", "/srv/authd"),
        ('server:\n  statedir: "/srv/a b"   # ours\n', "/srv/a b"),
        ("server:\n  stateDir: '/srv/authd'\n", "/srv/authd"),
        ("server:\n  stateDir: relative\n", "/usual"),
        ("server:\n  # stateDir: /old\n  port: 1\n", "/usual"),
        ("stateDirectory: /x\n", "/usual"),
        ("", "/usual"),
    ],
)
def test_the_path_in_a_broken_file(tmp_path, text, path):
    """A path is found in its line, even if the rest of the file can't be parsed."""
    (tmp_path / "c.yaml").write_text(text)
    assert path_in_broken_file(str(tmp_path / "c.yaml"), "stateDir", "/usual") == path


def test_a_file_that_can_not_be_read(tmp_path):
    """If the file can't be read, the default is returned."""
    assert path_in_broken_file(str(tmp_path / "missing"), "stateDir", "/usual") == "/usual"
