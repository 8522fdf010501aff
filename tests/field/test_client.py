"""authd-token with environments, configuration files and command lines from the field."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.field.conftest import CASES, HERE
from tests.integration.rig.minting import bare_environment, script

EXPECTED = yaml.safe_load((HERE / "expected_client.yaml").read_text("utf-8"))
KEY, SECRET = "AKIAEXAMPLEEXAMPLE00", "secret-of-the-field-tests"
KEYS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
#: Cases for the daemon, with tests of their own.
DAEMON = {"g20", "g21", "g22", "g23", "g24", "g25", "g38"}


@pytest.fixture
def mint(tmp_path):
    """Run authd-token with a case's environment, configuration file or arguments."""

    def run(name, program="authd-token"):
        text = (CASES / name).read_text("utf-8").replace("@KEY@", KEY).replace("@SECRET@", SECRET)
        text = text.replace("@WEB_IDENTITY_TOKEN_FILE@", str(tmp_path / "token"))
        (tmp_path / "token").write_text("token")
        case, arguments = EXPECTED[name], ["-i", "c1"]
        environment = {**(KEYS if case.get("keys") else {}), **case.get("environment", {})}
        if name.endswith(".env"):
            lines = [line for line in text.splitlines() if not line.startswith("#")]
            environment |= dict(line.split("=", 1) for line in lines)
        elif name.endswith(".aws-config"):
            (tmp_path / ".aws").mkdir()
            (tmp_path / ".aws" / "config").write_text(text)
        else:
            arguments = text.split()
        command = [program if "/" in program else script(program), *arguments]
        environment = bare_environment(tmp_path, **environment)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return run


def test_every_case_has_an_expected_result():
    """Each case of the client has an expected result."""
    names = {path.name for path in Path(CASES).iterdir() if path.suffix != ".yaml" and path.name[:3] not in DAEMON}
    assert names == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_client(name, mint):
    """authd-token has the expected exit status, output and messages, and prints no secret."""
    expected, ended = EXPECTED[name], mint(name)
    assert ended.returncode == expected["status"], ended.stderr
    for part in expected.get("prints", []):
        assert part in ended.stdout
    for part in expected.get("says", []):
        assert part in ended.stderr
    for part in expected.get("silent", []):
        assert part not in ended.stderr
    assert SECRET not in ended.stdout + ended.stderr


@pytest.mark.parametrize("name", ["g27-exec-v1alpha1.env", "g36-token-v.args"])
def test_under_the_other_name(name, mint, tmp_path):
    """If it is called as aws-iam-authenticator, `token` prints the same."""
    links = tmp_path / "links"
    links.mkdir()
    subprocess.run([script("authd"), "install-links", str(links)], check=True, timeout=60)
    program = tmp_path / "with-token"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" != token ]; then set -- token "$@"; fi\nexec {links}/aws-iam-authenticator "$@"\n'
    )
    program.chmod(0o755)
    ended = mint(name, str(program))
    assert ended.returncode == 0, ended.stderr
    assert EXPECTED[name]["prints"][0] in ended.stdout
