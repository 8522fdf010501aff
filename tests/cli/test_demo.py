from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from authd.cli.demo import scenario
from authd.cli.demo.cases import Case, Expected
from authd.cli.demo.daemon_process import DaemonProcess, script
from authd.cli.demo.die_with_parent import ending_with_parent
from authd.cli.demo.table import Outcome, header, row
from authd.cli.demo.webhook_client import ReviewResponse
from authd.cli.shared.errors import CommandError
from authd.cli.shared.settings_file import read_settings
from authd.core.errors import ConfigError
from tests.cli.shapes import parsed
from tests.integration.rig.polling import wait_until

AUTHD = str(Path(sys.executable).with_name("authd"))
LIMIT = 120


def begin(folder, *options):
    """Start `authd demo` with its temporary files in a folder."""
    # The user's AWS configuration must have no effect.
    environment = {**os.environ, "TMPDIR": str(folder), "AWS_PROFILE": "nonexistent", "AWS_REGION": "nowhere"}
    return subprocess.Popen(
        [AUTHD, "demo", *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def children(process):
    """Return the child processes of a process, by their arguments."""
    found = subprocess.run(
        ["ps", "--ppid", str(process.pid), "-o", "pid=,args="], capture_output=True, text=True, check=False
    )
    return [line.split(maxsplit=1) for line in found.stdout.splitlines()]


def gone(pid):
    return not Path(f"/proc/{pid}").exists()


def read_until(process, text):
    """Read a process's output, line by line, up to a text."""
    printed = ""
    for line in process.stdout:
        printed += line
        if text in line:
            return printed
    raise AssertionError(printed)


def test_the_whole_demonstration(tmp_path):
    """The demonstration ends with 0, prints all outcomes within 100 columns, and leaves no process or file behind."""
    process = begin(tmp_path)
    out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, out
    assert max(map(len, out.splitlines())) <= 100
    outcomes = [
        r"alice, an IAM user +200 +alice, groups: viewers",
        r"alice with -r …role/Admin +200 +admin:alice, groups: system:masters",
        r"alice with -r …role/team/Developer +200 +alice@example.com, groups: developers",
        r"bob, an IAM user +200 +refused: identity_not_mapped",
        r"alice, token of another cluster +200 +refused: signature_mismatch",
        r"an access key unknown to AWS +200 +refused: unknown_access_key",
        r"alice, signed 20 minutes ago +200 +refused: token_expired",
        r"alice, clock 10 minutes ahead +200 +refused: token_not_yet_valid",
        r"alice, host is not an STS endpoint +200 +refused: malformed_token",
        r"a ServiceAccount token +200 +refused: foreign_token",
        r"alice, while STS throttles +429 +no decision: sts_throttled",
        r"bob, an IAM user +200 +bob, groups: viewers",
        r"usrname: did you mean username",
        r"bob, an IAM user +200 +bob, groups: viewers",
        r"All outcomes are as expected\.",
    ]
    assert re.search(".*".join(outcomes), out.replace("\n    ", " "), re.DOTALL)
    assert "EXPECTED" not in out
    assert list(tmp_path.iterdir()) == []


def test_json(tmp_path):
    """With `--output json`, standard output has only the outcomes."""
    ended = subprocess.run(
        [AUTHD, "demo", "--output", "json"], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True,
        text=True, timeout=LIMIT, check=True,
    )  # fmt: skip
    output = parsed("demo", ended.stdout)
    assert output["passed"]
    assert {case["reason"] for case in output["cases"]} >= {"allowed", "identity_not_mapped", "sts_throttled"}
    assert "caller" in ended.stderr


def test_serve(tmp_path):
    """With --serve it keeps running, and the printed commands work. Ctrl-C ends it with 0."""
    process = begin(tmp_path, "--serve")
    try:
        read_until(process, "In another terminal:")
        hints = read_until(process, "${EDITOR:-vi}")
        pasted = re.sub(r"^ *\$\{EDITOR.*$", "", hints, flags=re.MULTILINE).replace("tail -f", "tail -n 1")
        ran = subprocess.run(["bash", "-e"], input=pasted, capture_output=True, text=True, timeout=LIMIT, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.count('"kind":"ExecCredential"') == 2
        assert "decision      allowed\nusername      alice" in ran.stdout
        assert '"authenticated":true,"user":{"username":"alice"' in ran.stdout
        assert "username      bob" in ran.stdout
        assert "mappings in force\n  MountedFile: 4 rules" in ran.stdout
        assert re.search(r"identity_not_mapped +[0-9a-f]{8} +arn:aws:iam::111122223333:user/bob", ran.stdout)
        assert "ready\n" in ran.stdout
        assert '"decision":"allowed"' in ran.stdout
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT)
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "after"),
    [(signal.SIGTERM, "Starting"), (signal.SIGINT, "caller"), (signal.SIGTERM, "another cluster")],
)
def test_an_early_end(tmp_path, number, after):
    """A signal at any moment ends the demonstration and its child processes. A second signal changes nothing."""
    process = begin(tmp_path)
    read_until(process, after)
    started = children(process)
    process.send_signal(number)
    process.send_signal(number)
    process.communicate(timeout=LIMIT)
    assert process.returncode == 128 + number
    assert all(gone(pid) for pid, _ in started)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", ["Starting", "caller"])
def test_a_killed_demonstration(tmp_path, after):
    """If it is killed with SIGKILL, its child processes end too."""
    process = begin(tmp_path, "--serve")
    read_until(process, after)
    wait_until(lambda: children(process), "a child")
    started = children(process)
    process.kill()
    process.communicate(timeout=LIMIT)
    wait_until(lambda: all(gone(pid) for pid, _ in started), "the children's end")


def test_a_child_whose_parent_has_ended():
    """A command whose parent has already changed is not run."""
    command = ending_with_parent(["/bin/echo", "ran"])
    ran = subprocess.run([*command[:4], "1", *command[5:]], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "")
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == "ran\n"


def outcome(response, reason, expected):
    case = Case(caller="somebody", token=lambda: "", expected=expected)
    return Outcome(case=case, response=response, reason=reason)


def test_an_unexpected_outcome():
    """An outcome that differs in any respect from the expected one is marked."""
    expected = Expected(username="alice", groups=("viewers",))
    good = ReviewResponse(status=200, username="alice", groups=("viewers",))
    assert outcome(good, "allowed", expected).difference == ""
    for other in (
        outcome(ReviewResponse(status=200, username="bob", groups=("viewers",)), "allowed", expected),
        outcome(ReviewResponse(status=200, username="alice"), "allowed", expected),
        outcome(ReviewResponse(status=503), "overloaded", expected),
        outcome(good, "allowed", Expected(reason="foreign_token")),
        outcome(good, "", expected),
    ):
        assert other.difference.startswith("EXPECTED 200 ")
        assert "EXPECTED" in row(other)


def test_columns():
    """A row is at most as wide as the table's header, even if the message is long."""
    error = "word " * 100 + "[identity_not_mapped, reference 01234567]"
    text = row(outcome(ReviewResponse(status=200, error=error), "identity_not_mapped", Expected()))
    assert max(map(len, text.splitlines())) <= max(map(len, header().splitlines())) <= 100
    assert "reference" not in text


def test_its_settings(tmp_path):
    """The first settings and those with a second user are valid, and those with the typo are not."""
    file = tmp_path / "c.yaml"
    begin_with = scenario.settings(tmp_path, 8443, "/ca.pem")
    for text, rules in ((begin_with, 3), (scenario.with_bob(begin_with), 4)):
        file.write_text(text)
        assert len(read_settings(str(file), {}).table) == rules
    file.write_text(scenario.with_typo(scenario.with_bob(begin_with)))
    with pytest.raises(ConfigError, match="did you mean username"):
        read_settings(str(file), {})


def test_a_daemon_that_does_not_start(tmp_path):
    """If the daemon ends before it is ready, the error contains its own message."""
    (tmp_path / "c.yaml").write_text("clusterID: c\nserver: {nonsense: 1}\n")
    with (
        pytest.raises(CommandError, match=r"did not start:\n(.|\n)*unknown setting server.nonsense"),
        DaemonProcess(tmp_path / "c.yaml", tmp_path / "daemon.log"),
    ):
        pass


def test_a_script_that_is_not_installed():
    """A missing command is an error with the next step."""
    with pytest.raises(CommandError, match=r"install authd\[daemon\], see README\.md"):
        script("authd-nonexistent")
