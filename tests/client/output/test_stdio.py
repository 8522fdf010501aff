"""Standard streams that are closed, full or broken, locales without UTF-8, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from authd.client.output import stdio

# For the fast path, and for botocore: the fast path signs no ID with a space.
CLUSTERS = ("prod", "two words")


@pytest.fixture
def in_shell(command: str, environ: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a shell command in which $TOKEN is authd-token."""

    def run(line: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", line], env={**environ, **more, "TOKEN": command}, cwd=tmp_path, capture_output=True,
            text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("redirection", [">&-", ">/dev/full", "<&- >&-"])
def test_unusable_stdout(in_shell: Callable, keys: dict[str, str], cluster: str, redirection: str) -> None:
    """If stdout can't be written, there is an error as text or JSON, and the status is 1."""
    done = in_shell(f'"$TOKEN" -i "{cluster}" {redirection}')
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("authd-token: the output cannot be written: ")
    done = in_shell(f'"$TOKEN" -i "{cluster}" -l json {redirection}')
    assert json.loads(done.stderr)["level"] == "error"


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_closed_pipe(in_shell: Callable, keys: dict[str, str], cluster: str) -> None:
    """If the reader has closed the pipe, there is one error and no traceback."""
    done = in_shell(f'{{ sleep 0.2; "$TOKEN" -i "{cluster}"; echo $? >&2; }} | :')
    message, status = done.stderr.splitlines()
    assert message.startswith("authd-token: ")
    assert status == "1"


@pytest.mark.parametrize("arguments", ["-i prod", "-i prod --cache", '-i "two words" --cache'])
def test_closed_stderr(in_shell: Callable, keys: dict[str, str], arguments: str) -> None:
    """With stderr closed, messages go neither to stdout nor into a file with its descriptor."""
    cache = Path(keys["HOME"]) / ".kube/cache/authd"
    for _ in range(2):
        done = in_shell(f'"$TOKEN" {arguments} 2>&- <&-', KUBERNETES_EXEC_INFO="{")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["kind"] == "ExecCredential"
        for path in cache.glob("*"):
            assert b"KUBERNETES_EXEC_INFO" not in path.read_bytes()
            path.chmod(0o644)  # causes another warning


def test_all_streams_closed(in_shell: Callable, keys: dict[str, str]) -> None:
    """With all streams closed, the exit status still reports the error."""
    assert in_shell('"$TOKEN" -i "two words" <&- >&- 2>&-').returncode == 1
    assert in_shell('"$TOKEN" -i "" <&- >&- 2>&-').returncode == 2


def test_closed_streams_are_occupied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Descriptors of closed streams are occupied, that of stdout with a read-only one."""
    free = os.open(os.devnull, os.O_RDWR)
    os.close(free)
    monkeypatch.setattr(stdio, "_STDIN", free)
    monkeypatch.setattr(stdio, "_STDOUT", free)
    stdio.occupy_closed_streams()
    try:
        with pytest.raises(OSError):
            os.write(free, b"x")
    finally:
        os.close(free)


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "en_US.ISO-8859-1", "nonsense"])
def test_locales(in_shell: Callable, keys: dict[str, str], locale: str) -> None:
    """A non-ASCII name is signed and printed in UTF-8 in every locale."""
    there = in_shell('"$TOKEN" -i café --token-only', LC_ALL="C.UTF-8")
    here = in_shell('"$TOKEN" -i café --token-only', LC_ALL=locale)
    assert here.returncode == 0
    assert len(here.stdout) == len(there.stdout)
    assert "'ñ€'" in in_shell('"$TOKEN" -i prod --profile ñ€', LC_ALL=locale).stderr


@pytest.mark.parametrize(
    "line",
    [
        "KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID=$ODD $TOKEN",
        "$TOKEN -i $ODD",
        "$TOKEN -i x -r $ODD",
        "$TOKEN -i x --profile $ODD",
        "AWS_ACCESS_KEY_ID=$ODD $TOKEN -i x",
        "AWS_SECRET_ACCESS_KEY=$ODD $TOKEN -i x",
        "AWS_SESSION_TOKEN=$ODD $TOKEN -i x",
        "AWS_REGION=$ODD $TOKEN -i x",
    ],
)
def test_invalid_utf8(in_shell: Callable, keys: dict[str, str], line: str) -> None:
    """Invalid UTF-8 in arguments or in the environment gives one error."""
    done = in_shell(f"ODD=$(printf 'a\\377b'); {line}")
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    (message,) = done.stderr.splitlines()
    assert "unexpected" not in message


def test_invalid_utf8_elsewhere(in_shell: Callable, keys: dict[str, str]) -> None:
    """Paths and unrelated variables may contain any bytes."""
    odd = "ODD=$(printf 'a\\377b');"
    for setting in ("AWS_FOREIGN=$ODD", "LANGUAGE=$ODD", 'HOME="$HOME/$ODD"', 'AUTHD_CACHE_DIR="$HOME/$ODD"'):
        done = in_shell(f'{odd} {setting} "$TOKEN" -i prod --cache --token-only')
        assert done.stdout.startswith("k8s-aws-v1."), done.stderr


def test_interrupt(command: str, environ: dict[str, str], write_aws: Callable, tmp_path: Path) -> None:
    """Ctrl-C ends a hanging call at once and without output."""
    started = tmp_path / "started"
    script = write_aws("process.sh", f"touch {started}; exec sleep 60")
    write_aws("config", f"[default]\ncredential_process = sh {script}\n")
    # A background job of a shell may ignore SIGINT, and its child processes would inherit that.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [command, "-i", "prod"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        signal.signal(signal.SIGINT, previous)
        deadline = time.monotonic() + 60
        while not started.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (-signal.SIGINT, b"", b"")
