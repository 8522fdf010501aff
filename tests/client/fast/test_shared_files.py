from __future__ import annotations

from pathlib import Path

import botocore.configloader
import pytest
from botocore.exceptions import ConfigParseError
from hypothesis import given
from hypothesis import strategies as st

from authd.client.fast.shared_files import read_section
from authd.client.fast.sigv4 import NotOnFastPath

_PIECES = st.sampled_from(
    ["[default]", "[profile a]", "[a]", " [b]", "[DEFAULT]", "[b] ; c", "[a]]", "key = value", "key=", "KEY = v", " key = v", "\tv",
     "k2: v", "k3 = a:b=c # d", "# comment", "; comment", " # indented", "", "  ", "s3 =", "  max = 1", "region = eu-west-1",
     "novalue", "= v", "aws_access_key_id = AKIA", "é = 1", "key = é", '[profile "a"]', "[profile  a]", "x = %(y)s", "\r", "\x0c"]
)  # fmt: skip


@given(
    pieces=st.lists(_PIECES, max_size=9), wanted=st.sampled_from(["default", "profile a", "a", "b"]), end=st.booleans()
)
def test_agrees_with_botocore(
    tmp_path_factory: pytest.TempPathFactory,
    pieces: list[str],
    wanted: str,
    end: bool,
) -> None:
    """A section is read as by botocore's parser, or left to it. A file that botocore refuses is never read."""
    content = "\n".join(pieces) + "\n" * end
    path = tmp_path_factory.getbasetemp() / "shared.ini"
    path.write_text(content, newline="")
    try:
        expected = botocore.configloader.raw_config_parse(str(path)).get(wanted)
    except ConfigParseError:
        expected = "refused"
    try:
        section = read_section(content.encode(), wanted)
    except NotOnFastPath:
        return
    assert section == expected


def test_usual_file(tmp_path: Path) -> None:
    """A file of the AWS CLI, with comments and nested settings in other profiles, is read without botocore."""
    content = (
        "# mine\n[default]\nregion = eu-west-1\noutput=json\n\n[profile other]\nrole_arn = arn:aws:iam::1:role/x\n"
        "s3 =\n  max_concurrent_requests = 20\n  addressing_style = path\n; more\n[profile a]\naws_access_key_id = AKIA\n"
        "aws_secret_access_key = a+b/c==\n[sso-session s]\nsso_start_url = https://x.example/start#/\n"
    )
    path = tmp_path / "config"
    path.write_text(content)
    for wanted in ("default", "profile a"):
        expected = botocore.configloader.raw_config_parse(str(path))[wanted]
        assert read_section(content.encode(), wanted) == expected
    assert read_section(content.encode(), "profile missing") is None


@pytest.mark.parametrize(
    "content",
    [b"[a]\n[a]\n", b"[a]\nx=1\nx=2\n", b"[a]\nX=1\nx=2\n", b"x=1\n", b"[a]\nx\n", b"[a]\ns3 =\n  x = 1\n", b"[a\n", b"[DEFAULT]\nx=1\n",
     b"[a]\nx=1\r\n", b"[a]\nx=\xc3\xa9\n", b"[b]\n x=1\n", b"[a]\nx:1\n", b"\x00", b"\xef\xbb\xbf[a]\nx=1\n"],
)  # fmt: skip
def test_unusual_files(content: bytes) -> None:
    """Duplicates, continuation lines in the requested section, other delimiters and unusual bytes are left to botocore."""
    with pytest.raises(NotOnFastPath):
        read_section(content, "a")
