"""The completion scripts work in real shells, if they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from authd.cli import main as cli
from authd.cli.commands import COMMANDS
from authd.cli.completion.bash import bash_script
from authd.cli.completion.fish import fish_script
from authd.cli.completion.syntax import Option, Syntax, command_line_syntax
from authd.cli.completion.zsh import zsh_script
from authd.client.output.completion import completion_script
from tests.cli.completion.shells import TypedShell

#: What is typed before Tab, and what the line is afterwards.
AUTHD = [
    ("authd ini", "authd init "),
    ("authd -c FILE che", "authd -c FILE check "),
    ("authd init --mu", "authd init --mutual-tls "),
    ("authd server --kubeconfig-pre", "authd server --kubeconfig-pregenerated "),
    ("authd token --forw", "authd token --forward-session-name "),
    ("authd kubeconfig con", "authd kubeconfig convert "),
    ("authd kubeconfig add --install", "authd kubeconfig add --install-hint "),
    ("authd add ro", "authd add role "),
    ("authd add role --usern", "authd add role --username "),
    ("authd check --output j", "authd check --output json "),
    ("authd status -o js", "authd status -o json "),
    ("authd diff --fail-on=lo", "authd diff --fail-on=losses"),
    ("authd migrate --from acc", "authd migrate --from access-entries "),
    ("authd completion fi", "authd completion fish "),
    ("authd help rotate", "authd help rotate-ca "),
    ("authd check clus", "authd check cluster.yaml "),
    ("authd why --file clus", "authd why --file cluster.yaml "),
]
TOKEN = [
    ("authd-token --clus", "authd-token --cluster-id "),
    ("authd-token --log-format js", "authd-token --log-format json "),
    ("authd-token completion fi", "authd-token completion fish "),
    ("authd-token --config clus", "authd-token --config cluster.yaml "),
]
SCRIPTS = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}

needs = {
    shell: pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not here: apt install {shell}")
    for shell in SCRIPTS
}


@pytest.fixture
def folder(tmp_path):
    """A folder with one file."""
    (tmp_path / "cluster.yaml").touch()
    return tmp_path


@pytest.mark.parametrize("shell", [pytest.param("bash", marks=needs["bash"]), pytest.param("zsh", marks=needs["zsh"])])
@pytest.mark.parametrize("program", ["authd", "authd-token"])
def test_in_an_interactive_shell(shell, program, folder, tmp_path_factory):
    """Tab completes commands, subcommands, options, their values and paths."""
    script = tmp_path_factory.mktemp("script") / program
    script.write_text(_script(shell, program))
    with TypedShell(shell, script, folder) as typed:
        for line, completed in AUTHD if program == "authd" else TOKEN:
            assert completed in typed.shown_after_tab(line, completed)


@needs["fish"]
@pytest.mark.parametrize("program", ["authd", "authd-token"])
def test_in_fish(program, folder, tmp_path_factory):
    """Fish completes each line with exactly one word."""
    script = tmp_path_factory.mktemp("script") / "script.fish"
    script.write_text(_script("fish", program))
    for line, completed in AUTHD if program == "authd" else TOKEN:
        asked = f"source {script}; complete -C '{line}'"
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path_factory.getbasetemp()), "LC_ALL": "C.UTF-8"}
        ended = subprocess.run(
            ["fish", "--no-config", "-c", asked], cwd=folder, env=environ, capture_output=True, text=True, timeout=60,
            check=True,
        )  # fmt: skip
        offered = [each.partition("\t")[0] for each in ended.stdout.splitlines()]
        assert (offered, ended.stderr) == ([completed.split()[-1]], ""), line


def _script(shell: str, program: str) -> str:
    if program == "authd-token":
        return completion_script(shell) + "\n"
    return SCRIPTS[shell](program, command_line_syntax())


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_command(shell, capsys):
    """`completion SHELL` prints the script, under the name by which authd was called."""
    assert cli.main(["completion", shell]) == 0
    assert capsys.readouterr().out == SCRIPTS[shell]("authd", command_line_syntax())
    assert "_aws_iam_authenticator" in SCRIPTS[shell]("aws-iam-authenticator", {"": Syntax(summary="")})


def test_every_command_has_its_words():
    """Each command has its options, and the subcommands have theirs."""
    syntax = command_line_syntax()
    assert set(COMMANDS) <= set(syntax)
    assert {"kubeconfig add", "kubeconfig convert", "kubeconfig test"} <= set(syntax)
    output = Option(names=("--output", "-o"), takes_value=True, values=("text", "json"))
    assert output in syntax["doctor"].options
    assert syntax["diff"].takes_path
    assert all(each.options or each.words for each in syntax.values())


def test_without_the_daemons_packages(monkeypatch):
    """If the daemon's packages are missing, its commands complete without options."""
    real = cli.importlib.import_module

    def missing(name):
        if name.endswith("doctor.command"):
            raise ModuleNotFoundError(name="cryptography")
        return real(name)

    monkeypatch.setattr("authd.cli.completion.syntax.importlib.import_module", missing)
    assert command_line_syntax()["doctor"] == Syntax(summary=COMMANDS["doctor"].summary)
