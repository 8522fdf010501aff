from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from authd.client.fast.exec_credential import ExecInfo
from authd.client.fast.flags import parse_flags
from authd.client.fast.inputs import Inputs
from authd.client.fast.sigv4 import NotOnFastPath
from authd.client.request.environment import expanded_environment
from tests.client.rig.samples import ROLE


def _inputs(home: Path, *arguments: str, **variables: str) -> Inputs:
    environ = {b"HOME": str(home).encode(), **{name.encode(): value.encode() for name, value in variables.items()}}
    return Inputs(parse_flags(["-i", "prod", *arguments]), ExecInfo(), environ)


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (("-i", "other"), {}),
        (("-r", ""), {}),
        (("-r", ROLE), {}),
        (("--region", "us-east-1"), {}),
        (("-s", "alice"), {}),
        (("-e", "external"), {}),
        (("--duration", "1h"), {}),
        (("--endpoint", "sts.eu-west-1.amazonaws.com"), {}),
        (("--profile", "p"), {}),
        (("--forward-session-name",), {}),
        ((), {"AWS_ACCESS_KEY_ID": "AKIAOTHER"}),
        ((), {"AWS_SECRET_ACCESS_KEY": "other"}),
        ((), {"AWS_SESSION_TOKEN": "other"}),
        ((), {"AWS_PROFILE": "p"}),
        ((), {"AWS_REGION": "us-east-1"}),
        ((), {"AWS_ANYTHING": "x"}),
        ((), {"BOTO_CONFIG": "x"}),
        ((), {"DEFAULT_ROLE": ROLE}),
        ((), {"KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID": "x"}),
    ],
)
def test_parts_of_the_key(home: Path, arguments: tuple[str, ...], variables: dict[str, str]) -> None:
    """Cluster, role, profile, region, session name, external id, endpoint and every AWS setting are part of the key."""
    assert _inputs(home).cache_key() == _inputs(home).cache_key()
    assert _inputs(home, *arguments, **variables).cache_key() != _inputs(home).cache_key()


def test_output_options_are_not_in_the_key(home: Path) -> None:
    """Options about the output and unrelated variables don't change the key."""
    assert (
        _inputs(home, "--token-only", "--cache", "-l", "json", PATH="/x", LANG="C").cache_key()
        == _inputs(home).cache_key()
    )


def test_the_cluster_extension_is_part_of_the_key(home: Path) -> None:
    """Clusters that share a user of the kubeconfig have different keys."""
    options, environ = parse_flags([]), {b"HOME": str(home).encode()}
    infos = [ExecInfo(cluster_id=cluster, role_arn=role) for cluster in ("a", "b") for role in (None, ROLE)]
    assert len({Inputs(options, info, environ).cache_key() for info in infos}) == 4


@pytest.mark.parametrize("name", ["config", "credentials"])
def test_shared_files_are_part_of_both_keys(home: Path, write_aws: Callable[[str, str], Path], name: str) -> None:
    """A change of a shared file changes the cache keys of tokens and of a profile's roles."""
    before = _inputs(home)
    write_aws(name, "[default]\n")
    after = _inputs(home)
    assert before.cache_key() != after.cache_key()
    assert before.profile_key() != after.profile_key()


def test_a_settings_file_is_part_of_the_key(home: Path, tmp_path: Path) -> None:
    """A change of the settings file changes the key."""
    file = tmp_path / "a.yaml"
    file.write_text("clusterID: one\n")
    before = _inputs(home, "-c", str(file)).cache_key()
    file.write_text("clusterID: two\n")
    assert _inputs(home, "-c", str(file)).cache_key() != before


def test_a_profiles_key_does_not_depend_on_the_cluster(home: Path) -> None:
    """The key of a profile's roles is the same for every cluster."""
    assert _inputs(home, "-i", "other", "-r", ROLE).profile_key() == _inputs(home).profile_key()
    assert _inputs(home, "--profile", "p").profile_key() != _inputs(home).profile_key()


def test_unreadable_files(home: Path, write_aws: Callable[[str, str], Path]) -> None:
    """A folder or an endless file in place of a shared file is left to the full path."""
    (home / ".aws" / "config").mkdir(parents=True)
    with pytest.raises(NotOnFastPath):
        _inputs(home)
    with pytest.raises(NotOnFastPath):
        _inputs(home, AWS_CONFIG_FILE="/dev/zero")


def test_pipe(home: Path) -> None:
    """A pipe, which can be read only once, is left to the full path. The null device counts as missing."""
    os.mkfifo(home / "pipe")
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        with pytest.raises(NotOnFastPath):
            _inputs(home, **{variable: str(home / "pipe")})
        _inputs(home, **{variable: "/dev/null"})


def test_root_folder_as_home() -> None:
    """The home folder may be the root folder, as in some containers."""
    inputs = _inputs(Path("/"), AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null")
    assert inputs.home == b""


@pytest.mark.parametrize("home", ["", "relative", "~"])
def test_invalid_home(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid HOME is replaced for authd and botocore, so that no file is searched below another folder."""
    monkeypatch.setenv("HOME", home)
    assert expanded_environment()[b"HOME"] == b"/dev/null"
    assert os.environ["HOME"] == "/dev/null"


def test_large_file(home: Path, write_aws: Callable[[str, str], Path]) -> None:
    """A file that is too large for the fast path is part of the full path's key."""
    keys = set()
    for letter in "ab":
        write_aws("config", f"[default]\n# {letter * 5_000_000}\n")
        with pytest.raises(NotOnFastPath):
            _inputs(home)
        keys.add(Inputs(parse_flags(["-i", "x"]), ExecInfo(), {b"HOME": os.fsencode(home)}, lenient=True).cache_key())
    assert len(keys) == 2
