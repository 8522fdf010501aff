"""authd-token as a single file, on hosts with only Python."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import zipfile

import pytest

from authd import __version__
from authd.client.bundle import DIGEST, PACKAGES
from authd.emulator.directory.sample import ALICE_KEY
from tests.integration.rig.minting import credentials_in_environment
from tools.release import pyz

#: The interpreter without its virtual environment, as on a host without packages.
PYTHON = os.path.realpath(sys._base_executable)
KEYS = {**credentials_in_environment(ALICE_KEY), "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
#: A cluster whose token botocore signs, because its ID has a space.
UNUSUAL = ("-i", "two words", "--token-only")
OLD = """#!/bin/sh
# A Python that says it is 3.9: the code after -c begins with its version.
options=$1\\ $2\\ $3\\ $4 code=$6
shift 6
exec {python} $options -c "import sys; sys.version_info = (3, 9, 2)$code" "$@"
"""


@pytest.fixture(scope="module")
def content():
    """The file's bytes, with bytecode for this Python."""
    return pyz.build([sys.executable])[0]


@pytest.fixture(scope="module")
def file(content, tmp_path_factory):
    """The path of the file, under its usual name."""
    path = tmp_path_factory.mktemp("host") / "authd-token"
    path.write_bytes(content)
    path.chmod(0o755)
    return path


@pytest.fixture
def host(file, tmp_path):
    """Return a function that runs a file, this one by default. PATH has only `python3` and the programs of `more`."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(PYTHON)

    def run(*arguments, command=(file,), **more):
        ended = subprocess.run(
            [*map(str, command), *arguments],
            env={"PATH": str(programs), "HOME": str(tmp_path), **KEYS, **more},
            cwd="/", capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return ended.returncode, ended.stdout, ended.stderr

    return run


def test_builds_are_reproducible(content):
    """Two builds with the same interpreter have the same bytes."""
    assert pyz.build([sys.executable])[0] == content


def test_content(content):
    """The file has only the client's sources, bytecode of the fast path, and the packages."""
    tag = sys.implementation.cache_tag
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        expected = {*pyz.sources(), *(f"{tag}/{name}c" for name in pyz.fast_sources())}
        assert set(archive.namelist()) == {*expected, "__main__.py", PACKAGES, DIGEST, pyz.INTERPRETERS}
        assert all(archive.read(name) == text for name, text in pyz.sources().items())
        bundled = zipfile.ZipFile(io.BytesIO(archive.read(PACKAGES))).namelist()
    tops = {name.partition("/")[0] for name in bundled if ".dist-info/" not in name}
    assert tops == {"botocore", "dateutil", "jmespath", "six.py", "urllib3", "yaml"}
    services = {name.split("/")[2] for name in bundled if name.startswith("botocore/data/") and name.count("/") > 2}
    assert services == {"sts", "sso", "sso-oidc", "signin"}
    assert {name.partition("-")[0] for name in bundled if "licen" in name.lower()} >= {"botocore", "urllib3", "pyyaml"}


@pytest.mark.parametrize("name", ["keys in the environment", "profile"])
def test_static_credentials(host, tmp_path, name):
    """Static credentials require only Python, and nothing is unpacked."""
    (tmp_path / "credentials").write_text("[p]\naws_access_key_id = AKIAPROFILE000000000\naws_secret_access_key = s\n")
    options = ["--profile", "p"] if name == "profile" else []
    status, out, err = host("-i", "c", *options, AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "credentials"))
    assert (status, err) == (0, "")
    assert json.loads(out)["status"]["token"].startswith("k8s-aws-v1.")
    assert not (tmp_path / ".kube").exists()


def test_bundled_botocore(host, tmp_path):
    """Other credentials use the bundled botocore, unpacked once into a private folder that --clear-cache removes."""
    for _ in range(2):
        status, out, err = host(*UNUSUAL)
        assert (status, err, out[:11]) == (0, "", "k8s-aws-v1.")
    cache = tmp_path / ".kube" / "cache" / "authd"
    (folder,) = cache.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "botocore" / "cacert.pem").is_file()
    assert host("--clear-cache")[0] == 0
    assert list(cache.iterdir()) == []


def test_many_first_uses_at_once(file, tmp_path):
    """Concurrent processes that unpack all succeed, and leave one folder."""
    environ = {"PATH": os.defpath, "HOME": str(tmp_path), "AUTHD_PYTHON": PYTHON, **KEYS}
    started = [subprocess.Popen([file, *UNUSUAL], env=environ, stdout=subprocess.PIPE) for _ in range(4)]
    assert all(each.communicate(timeout=120)[0].startswith(b"k8s-aws-v1.") for each in started)
    assert len(list((tmp_path / ".kube" / "cache" / "authd").iterdir())) == 1


def test_settings_file(host, tmp_path):
    """`--config` reads YAML without the C library."""
    (tmp_path / "c.yaml").write_text("clusterID: from-file\n")
    status, out, err = host("--config", str(tmp_path / "c.yaml"), "--token-only")
    assert (status, err, out[:11]) == (0, "", "k8s-aws-v1.")


def test_started_by_python(host, file, tmp_path):
    """`python3 FILE` is the same program."""
    command = (tmp_path / "bin" / "python3", file)
    assert host("--version", command=command) == (0, f"authd-token {__version__}\n", "")
    for options in (("-i", "c", "--token-only"), UNUSUAL):
        assert host(*options, command=command)[1].startswith("k8s-aws-v1.")


def test_without_bytecode(tmp_path, host):
    """A Python version without bytecode compiles the sources."""
    path = tmp_path / "plain"
    path.write_bytes(pyz.build([])[0])
    path.chmod(0o755)
    for options in (("-i", "c", "--token-only"), UNUSUAL):
        assert host(*options, command=(path,))[1].startswith("k8s-aws-v1.")


def test_unpacking_fails(host):
    """If unpacking fails, the message names the folder and the next step."""
    status, out, err = host(*UNUSUAL, HOME="/nonexistent")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "/nonexistent: there is no such home folder; set AUTHD_CACHE_DIR to a folder" in err


def test_static_credentials_without_a_cache(host):
    """With static credentials an unusable cache is a warning, as with the installed plugin."""
    status, out, err = host("-i", "c", "--cache", "--token-only", HOME="/nonexistent")
    assert (status, out[:11], err.count("\n")) == (0, "k8s-aws-v1.", 1)
    assert "not using the cache" in err


def test_a_foreign_folder(host, tmp_path):
    """Packages in a folder that others can write are not used."""
    assert host(*UNUSUAL)[0] == 0
    (folder,) = (tmp_path / ".kube" / "cache" / "authd").iterdir()
    folder.chmod(0o777)
    status, out, err = host(*UNUSUAL)
    assert (status, out) == (1, "")
    assert f"{folder}: is accessible to other users" in err


def test_no_python(host, tmp_path):
    """Without an interpreter, or with an old one only, the message has the next step."""
    (tmp_path / "bin" / "python3").unlink()
    status, _, err = host("--version")
    assert (status, err.count("\n")) == (1, 1)
    assert "there is no python3 on PATH; install Python 3.11 or later" in err


def test_old_python(host, tmp_path):
    """An old python3 starts a newer one if there is one. Otherwise the message names the missing version."""
    programs = tmp_path / "bin"
    (programs / "python3").unlink()
    (programs / "python3").write_text(OLD.format(python=PYTHON))
    (programs / "python3").chmod(0o755)
    status, _, err = host("--version")
    assert (status, err.count("\n")) == (1, 1)
    assert "is Python 3.9; install Python 3.11 or later" in err
    (programs / "python3.13").symlink_to(PYTHON)
    assert host("--version") == (0, f"authd-token {__version__}\n", "")


def test_a_damaged_file(host, content, tmp_path):
    """A truncated or changed file is reported."""
    cut, changed = tmp_path / "cut", tmp_path / "changed"
    cut.write_bytes(content[:2000])
    position = content.index(PACKAGES.encode()) + 1000
    changed.write_bytes(content[:position] + bytes(1000) + content[position + 1000 :])
    for path, options in ((cut, ["--version"]), (changed, UNUSUAL)):
        path.chmod(0o755)
        status, out, err = host(*options, command=(path,))
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert "is damaged; download it again" in err


def test_a_launcher_without_its_interpreter(tmp_path, monkeypatch):
    """Only interpreters that start compile bytecode."""
    launcher = tmp_path / "python3.14"
    launcher.write_text("#!/bin/sh\nexit 127\n")
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(launcher) not in pyz.interpreters()
    assert sys.executable in pyz.interpreters()


def test_changed_packages(monkeypatch):
    """A package that differs from its pin is not bundled."""
    monkeypatch.setattr(pyz.metadata.Distribution, "version", "0")
    with pytest.raises(LookupError, match=r"botocore 0 is installed, but requirements\.txt has"):
        pyz.packages()


def test_cached_tokens(host, tmp_path):
    """A token of static credentials is cached and found without unpacking."""
    options = ("-i", "c", "--cache", "--token-only")
    first = host(*options)
    cache = tmp_path / ".kube" / "cache" / "authd"
    assert first[0] == 0
    time.sleep(1.1)  # a new token would have another date
    assert host(*options) == first
    assert not list(cache.glob("packages-*"))
