"""Usage errors end with 2 under every command and name, as docs/commands.md says."""

from __future__ import annotations

import os
import subprocess

import pytest

from authd.cli.commands import COMMANDS
from authd.daemon.command_line.program_name import ALIASES
from tests.integration.rig.minting import bare_environment, script

WRONG = "--no-such-option"


def run(folder, *command):
    """Run a program without settings, and return its status and standard error."""
    ended = subprocess.run(
        command, env=bare_environment(folder), capture_output=True, text=True, timeout=60, check=False, cwd=folder
    )
    assert "Traceback" not in ended.stderr + ended.stdout
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_option(name, tmp_path):
    """An unknown option ends every command with 2, and with 1 if it is called as aws-iam-authenticator."""
    status, said = run(tmp_path, script("authd"), name, WRONG)
    assert (status, said.count("\n") > 0) == (2, True)


@pytest.mark.parametrize("alias", [program.name for program in ALIASES])
@pytest.mark.parametrize(
    "arguments", [(), (WRONG,), ("nonsense",), ("server", WRONG), ("token", WRONG), ("verify", WRONG)]
)
def test_under_an_old_name(alias, arguments, tmp_path):
    """Called as aws-iam-authenticator or its predecessor, a usage error has that program's exit status."""
    (tmp_path / alias).symlink_to(script("authd"))
    assert run(tmp_path, str(tmp_path / alias), *arguments)[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [(WRONG,), ("--config",), ("--log-format=x",), ("nonsense",), ("-x",), ("--kubeconfig-pregenerated=maybe",)],
)
def test_under_twistd(arguments, tmp_path):
    """`twistd authd` names the fault in one line, the next step in another, and ends with 2, as `authd server` does."""
    status, said = run(tmp_path, script("twistd"), "--nodaemon", "--pidfile=", "authd", *arguments)
    fault, next_step = said.splitlines()
    assert (status, next_step) == (2, "Try `authd server --help`.")
    assert fault.startswith("authd: ")
    status, said = run(tmp_path, script("authd"), "server", *arguments)
    assert (status, said.splitlines()) == (2, [f"{fault}; see authd server --help"])


@pytest.mark.parametrize("arguments", [(WRONG,), ("nonsense",), ("-i",), ()])
def test_authd_token(arguments, tmp_path):
    """The plugin names the fault in one line, and ends with 2."""
    status, said = run(tmp_path, script("authd-token"), *arguments)
    assert (status, len(said.splitlines())) == (2, 1)
    assert said.startswith("authd-token: ")


@pytest.mark.parametrize("program", [("authd",), ("authd", "kubeconfig"), ("kubectl-authd",)])
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("redirection", "fault"), [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
def test_output_that_cannot_be_written(program, unbuffered, redirection, fault, tmp_path):
    """If standard output is full or closed, the command says so in one line, and ends with 2."""
    words = (script(program[0]), *program[1:], *(("version",) if program == ("authd",) else ("add", "x", "--dry-run")))
    environment = {**bare_environment(tmp_path), "PYTHONUNBUFFERED": unbuffered}
    ended = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {redirection}', "sh", *words],
        env=environment, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
    )  # fmt: skip
    name = "kubectl authd" if program == ("kubectl-authd",) else "authd"
    assert (ended.returncode, ended.stderr) == (2, f"{name}: the output can't be written: {fault}\n")


def test_kubectl_authd_in_a_pipe_that_is_closed(tmp_path):
    """`kubectl authd … | head` ends with 1 and without a message if the reader ends first."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as closed:
        ended = subprocess.run(
            [script("kubectl-authd"), "add", "x", "--dry-run"],
            env=bare_environment(tmp_path), stdout=closed, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("verify", "-i", "x", "-t", "-"), 1),
        (("why", "abcdef01", "--file", "-"), 1),
        (("migrate", "--from", "access-entries", "--file", "-", "--to", "file"), 0),
    ],
)
def test_closed_standard_input(arguments, status, tmp_path):
    """A command that reads a closed standard input finds it empty."""
    words = ["/bin/sh", "-c", '"$@" <&-', "sh", script("authd"), *arguments]
    ended, said = run(tmp_path, *words)
    assert (ended, "internal error" in said) == (status, False)


@pytest.mark.parametrize("alias", ["authd", "aws-iam-authenticator"])
def test_an_encoding_without_the_letters_of_a_path(alias, tmp_path):
    """`init --out` prints its report in every locale: characters that the encoding lacks are escaped."""
    program = tmp_path / alias
    program.symlink_to(script("authd"))
    ended = subprocess.run(
        [str(program), "init", "-i", "x", "--out", str(tmp_path / "sch\u00f6n")],
        env={**bare_environment(tmp_path), "PYTHONIOENCODING": "ascii"},
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
    )  # fmt: skip
    output = ended.stdout if alias == "authd" else ended.stderr
    assert (ended.returncode, "wrote  " in output, r"sch\xf6n/cert.pem" in output) == (0, True, True)
