from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from authd import __version__
from authd.cli import main as cli
from authd.cli.commands import command_of
from authd.cli.shared.errors import CommandError
from authd.core.errors import ConfigError, Problem
from tests.cli.shapes import parsed

BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {blocked!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Block())
from authd.cli.main import main
sys.exit(main({arguments!r}))
"""


def run_without(blocked, *arguments):
    """Run `authd` in an interpreter that can't import some packages."""
    code = BLOCKED.format(blocked=blocked, arguments=list(arguments))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


DAEMON = ("twisted", "treq", "OpenSSL", "cryptography", "service_identity", "zope", "httptools", "prometheus_client")


def test_help_shows_every_command(capsys):
    """`authd --help` lists each command with its summary, and examples that can be copied."""
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0
    assert all(f"    {name}" in out and command.summary in out for name, command in cli.COMMANDS.items())
    assert "examples:\n  authd server " in out
    assert "\n  twistd --nodaemon --pidfile= authd --config /etc/authd/config.yaml\n" in out


def test_version(capsys):
    """`authd --version` prints the version."""
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert (end.value.code, capsys.readouterr().out) == (0, f"authd {__version__}\n")


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["--nonsense"], ["init", "--nonsense"], ["--nonsense", "token"]]
)
def test_a_wrong_command_line(arguments, capsys):
    """A wrong command line ends with 2 and a usage on stderr."""
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("usage: authd")


@pytest.mark.parametrize("name", [name for name in cli.COMMANDS if name != "token"])
def test_each_command_has_a_help(name, capsys):
    """`authd COMMAND --help` describes the command at least as fully as its summary in `authd --help`."""
    try:
        status = cli.main([name, "--help"])
    except SystemExit as end:
        status = end.code
    assert status == 0
    assert f"usage: authd {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["init", "verify", "demo"])
def test_missing_daemon_packages(name):
    """If the daemon's packages are missing, a command that needs them prints how to install them."""
    ended = run_without(DAEMON, name)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert f"authd {name} needs the daemon's packages" in ended.stderr
    assert "install authd with the extra `daemon`" in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["check", "--help"],
        ["explain", "--help"],
        ["why", "--help"],
        ["diff", "--help"],
        ["token", "--help"],
    ],
)
def test_the_base_installation(arguments):
    """Commands that don't need the daemon's packages work without them."""
    ended = run_without(DAEMON, *arguments)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_missing_base_package():
    """If a package of the base installation is missing, the message does not name the daemon's packages."""
    ended = run_without(("yaml",), "check", "--help")
    assert ended.returncode == 2
    assert ended.stderr.startswith("authd: internal error (ModuleNotFoundError")


def test_token_is_authd_token(capfd):
    """`authd token` is the same as authd-token, including help and errors."""
    assert cli.main(["token", "--help"]) == 0
    assert capfd.readouterr().out.startswith("Usage: authd-token")
    assert cli.main(["token", "--nonsense"]) == 2
    assert "--nonsense" in capfd.readouterr().err


def raising(monkeypatch, error):
    """Make the next command raise."""

    def run(_args):
        raise error

    module = SimpleNamespace(add_parser=lambda subparsers: subparsers.add_parser("check"), run=run)
    monkeypatch.setattr(cli, "_load", lambda *_: module)
    return cli.main(["check"])


def test_errors_of_settings(monkeypatch, capsys):
    """Each problem of a settings file is a line on stderr, and the exit status 2."""
    problems = (
        Problem(file="a.yaml", line=1, column=2, message="one"),
        Problem(file="a.yaml", line=0, column=0, message="two"),
    )
    assert raising(monkeypatch, ConfigError(problems)) == 2
    assert capsys.readouterr().err == "authd: a.yaml:1:2: one\nauthd: a.yaml: two\n"


def test_errors_of_a_command(monkeypatch, capsys):
    """A command's error is one line on stderr, and the exit status 2."""
    assert raising(monkeypatch, CommandError("no such thing")) == 2
    assert capsys.readouterr().err == "authd: no such thing\n"


def test_a_bug_shows_no_values(monkeypatch, capsys):
    """An unexpected error is reported with type and place, without a traceback or its text, which may be secret."""
    assert raising(monkeypatch, RuntimeError("k8s-aws-v1.secret")) == 2
    err = capsys.readouterr().err
    assert err.startswith("authd: internal error (RuntimeError at ")
    assert "secret" not in err
    assert err.count("\n") == 1


def test_an_interrupt(monkeypatch):
    """Ctrl-C ends a command with 130 and no traceback."""
    assert raising(monkeypatch, KeyboardInterrupt()) == 130


@pytest.mark.parametrize("arguments", [["--help"], ["check", "--help"], ["token", "--help"]])
def test_a_closed_pipe(arguments):
    """If the reader closes the pipe, no traceback is printed."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "authd.cli.main", *arguments], env={"PATH": os.defpath},
            stdout=closed, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "command", "left"),
    [
        (["token", "-i", "c"], "token", ["-i", "c"]),
        (["-i", "c", "token"], "token", ["-i", "c"]),
        (["--log-verbosity=debug", "-c", "/f", "verify", "-t", "-"], "verify", ["--log-verbosity=debug", "-c", "/f", "-t", "-"]),
        (["server", "--port", "1"], "server", ["--port", "1"]),
        (["--config=/f", "--state-dir", "/s"], "server", ["--config=/f", "--state-dir", "/s"]),
        (["--config", "/f"], "server", ["--config", "/f"]),
        (["--kubeconfig-pregenerated"], "server", ["--kubeconfig-pregenerated"]),
        (["--config=/f", "--help"], "", ["--config=/f", "--help"]),
        (["--nonsense", "token"], "", ["--nonsense", "token"]),
        (["-c"], "server", ["-c"]),
        ([], "", []),
    ],
)  # fmt: skip
def test_the_command_of_a_command_line(arguments, command, left):
    """Flags for every command may precede the command. Flags of the server without a command mean the server."""
    assert command_of(arguments) == (command, left)


@pytest.mark.parametrize("name", ["aws-iam-authenticator", "heptio-authenticator-aws"])
@pytest.mark.parametrize(
    "arguments", [["nonsense"], [], ["check", "/nowhere"], ["completion", "tcsh"], ["version", "x"]]
)
def test_errors_under_another_name(monkeypatch, capsys, name, arguments):
    """Called as aws-iam-authenticator, every error ends with 1."""
    monkeypatch.setattr("sys.argv", [f"/usr/bin/{name}"])
    assert cli.main(arguments) == 1


@pytest.mark.parametrize(
    ("name", "arguments", "out"),
    [
        ("authd", [], f"authd {__version__}\n"),
        ("authd", ["-s"], f"{__version__}\n"),
        ("authd", ["-o", "yaml"], f"version: {__version__}\nprogram: authd\n"),
        ("authd", ["--output=json", "--log-format", "text"], f'{{"Version": "{__version__}", "Program": "authd"}}\n'),
        ("aws-iam-authenticator", [], f'{{"Version": "{__version__}", "Program": "authd"}}\n'),
        ("aws-iam-authenticator", ["--short"], f"{__version__}\n"),
    ],
)
def test_the_version_command(monkeypatch, capsys, name, arguments, out):
    """`version` takes aws-iam-authenticator's flags, and prints JSON if it is called by that name."""
    monkeypatch.setattr("sys.argv", [name])
    assert cli.main(["version", *arguments]) == 0
    printed = capsys.readouterr().out
    assert printed == out
    assert not printed.startswith("{") or parsed("version", printed)["Version"] == __version__


@pytest.mark.parametrize(
    "arguments", [["version", "-o", "xml"], ["version", "--nonsense"], ["completion"], ["completion", "-x"]]
)
def test_wrong_arguments_of_direct_commands(arguments, capsys):
    """A command that parses its arguments itself reports the fault and the command for its help."""
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err.startswith("authd: ")


def test_help_of_a_command(capsys):
    """`help init` is the same as `init --help`, and `help` alone lists the commands."""
    with pytest.raises(SystemExit) as end:
        cli.main(["help", "init"])
    assert end.value.code == 0
    assert "usage: authd init" in capsys.readouterr().out
    assert cli.main(["help", "-x"]) == 2
    assert cli.main(["help"]) == 0
    assert "install-links" in capsys.readouterr().out


@pytest.mark.parametrize("command", [(), *((name,) for name, each in cli.COMMANDS.items() if not each.is_direct)])
def test_help_fits_a_terminal(command, monkeypatch, capsys):
    """Help is wrapped to 80 columns, except for examples, which can be copied."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main([*command, "--help"])
    out = capsys.readouterr().out
    before, _, after = out.partition("\nexamples:\n")
    assert max(map(len, (before + after.partition("\n\n")[2]).splitlines())) <= 80


def test_links(tmp_path, capsys):
    """Links are created once, and another program with that name is not replaced."""
    assert cli.main(["install-links", str(tmp_path)]) == 0
    assert os.readlink(tmp_path / "aws-iam-authenticator") == str(Path(sys.executable).with_name("authd"))
    capsys.readouterr()
    assert cli.main(["install-links", str(tmp_path), "-o", "json"]) == 0
    assert parsed("install-links", capsys.readouterr().out)["made"] == []
    (tmp_path / "heptio-authenticator-aws").unlink()
    (tmp_path / "heptio-authenticator-aws").write_text("another program")
    assert cli.main(["install-links", str(tmp_path)]) == 2
    assert "exists and is not this authd" in capsys.readouterr().err
    assert cli.main(["install-links", str(tmp_path / "missing")]) == 2


@pytest.mark.parametrize("name", ["authd", "aws-iam-authenticator"])
def test_a_wrong_command_line_of_the_server(monkeypatch, capsys, name):
    """A wrong flag of the server is one line, without the usage."""
    monkeypatch.setattr("sys.argv", [name])
    assert cli.main(["server", "--prt", "1"]) == (2 if name == "authd" else 1)
    assert capsys.readouterr().err == f"authd: unknown flag --prt: did you mean --port?; see {name} server --help\n"
