from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from authd.cli.main import main
from authd.cli.shared.errors import CommandError
from authd.cli.verify import command as verify
from authd.client.fast.sigv4 import token_of
from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY
from authd.emulator.faults.plan import Fault
from authd.emulator.process import EmulatorProcess
from tests.cli.shapes import parsed

AUTHD = str(Path(sys.executable).with_name("authd"))
TOKEN_SCRIPT = str(Path(sys.executable).with_name("authd-token"))
MAPPING = """\
  mapUsers:
  - userARN: arn:aws:iam::111122223333:user/team/alice
    username: alice
    groups: [viewers, testers]
"""


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess() as process:
        yield process


@pytest.fixture
def settings(emulator, tmp_path):
    """Return a function that writes a settings file whose STS is the emulator."""

    def write(mapping=MAPPING):
        file = tmp_path / "c.yaml"
        file.write_text(
            f"clusterID: c\nserver:\n{mapping}  sts:\n    timeout: 3s\n    endpoints:\n"
            f"    - {{host: sts.us-east-1.amazonaws.com, connect: '127.0.0.1:{emulator.port}', caFile: {emulator.ca}}}\n"
        )
        return str(file)

    return write


def mint(key, *options):
    """Run authd-token with a key, and return its output."""
    environment = {
        "AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1], "AWS_REGION": "us-east-1", "HOME": "/nonexistent",
        "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    command = [TOKEN_SCRIPT, "-i", "c", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout


def run(text, *arguments):
    """Run `authd verify -t -` with a text on standard input."""
    command = [AUTHD, "verify", "-t", "-", "-o", "json", *arguments]
    ended = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, parsed("verify", ended.stdout) if ended.stdout else {}, ended.stderr


def test_allowed(settings):
    """A mapped user's token is allowed, and all fields are printed."""
    file = settings()
    status, output, err = run(mint(ALICE_KEY, "--token-only"), "-c", file)
    assert (status, err) == (0, "")
    assert (output["decision"], output["username"], output["groups"]) == ("allowed", "alice", ["viewers", "testers"])
    assert output["rule"] == f"{file}:4:5"
    assert output["arn"] == output["canonical_arn"] == "arn:aws:iam::111122223333:user/team/alice"
    assert (output["sts_host"], output["access_key_id"]) == ("sts.us-east-1.amazonaws.com", ALICE_KEY[0])
    assert output["sts_request_id"]


def test_no_text(settings):
    """Bytes that are not UTF-8 are no token, in every locale."""
    ended = subprocess.run(
        [AUTHD, "verify", "-t", "-", "-c", settings()], input=b"caf\xe9", env={"PYTHONIOENCODING": "utf-8:strict"},
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert b"foreign_token" in ended.stdout


def test_an_exec_credential(settings):
    """The token may be inside an ExecCredential."""
    status, output, _ = run(mint(ALICE_KEY), "-c", settings())
    assert (status, output["decision"]) == (0, "allowed")


def test_verified(settings):
    """Without mappings, a token that STS confirms is verified."""
    status, output, _ = run(mint(BOB_KEY), "-c", settings(mapping=""))
    assert (status, output["decision"], output["account"]) == (0, "verified", "111122223333")


@pytest.mark.parametrize(
    ("key", "options", "reason"),
    [
        (BOB_KEY, (), "identity_not_mapped"),
        (ALICE_KEY, ("-i", "another"), "signature_mismatch"),
        (("AKIALOSTANDFORGOTTEN", "secret"), (), "unknown_access_key"),
    ],
)
def test_refused(settings, key, options, reason):
    """A refusal is printed with its reason, and the exit status is 1."""
    status, output, err = run(mint(key), "-c", settings(), *options)
    assert (status, output["decision"], output["reason"], err) == (1, "refused", reason, "")


def test_unavailable(settings, emulator):
    """If STS is unavailable, the exit status is 2."""
    file = settings()
    emulator.inject(Fault.THROTTLE, times=1)
    status, output, _ = run(mint(ALICE_KEY), "-c", file)
    assert (status, output["decision"], output["reason"]) == (2, "unavailable", "sts_throttled")


def test_a_ca_file_without_a_certificate(settings, tmp_path):
    """A CA file without a certificate is an error of the settings."""
    file = settings()
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    Path(file).write_text(
        Path(file).read_text().replace("    timeout: 3s\n", f"    timeout: 3s\n    caFile: {empty}\n")
    )
    status, output, err = run(mint(ALICE_KEY), "-c", file)
    assert (status, output) == (2, {})
    assert err.startswith(f"authd: {empty}: the certificate authorities for STS can't be read")


def test_text_for_people(capsys, monkeypatch):
    """The text of a refusal has decision, reason and message, but not the token."""
    token = token_of("https://sts.us-east-1.amazonaws.com/?Action=Other")
    assert main(["verify", "-i", "c", "-t", token]) == 1
    out = capsys.readouterr().out
    assert out.startswith("decision      refused\nreason        malformed_token\n              malformed token: ")
    assert token not in out


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("  k8s-aws-v1.abc\n", "k8s-aws-v1.abc"),
        ("", ""),
        ('{"status": {"token": "t"}}', "t"),
    ],
)
def test_standard_input(text, token):
    """Standard input is a token with white space around it, or an ExecCredential."""
    assert verify._token_in(text) == token


@pytest.mark.parametrize("text", ["{", "{}", '{"status": []}', '{"status": {"token": 1}}', "{" + "[" * 60_000])
def test_other_json_on_standard_input(text):
    """Other JSON is an error that doesn't repeat it."""
    with pytest.raises(CommandError, match="neither a token nor an ExecCredential"):
        verify._token_in(text)


def test_the_help_warns_of_command_lines(capsys):
    """The help warns that everybody can read a token on the command line."""
    with pytest.raises(SystemExit):
        main(["verify", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert "everybody on the machine can read command lines" in out
