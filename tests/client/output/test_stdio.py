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

from authd.client.output import stdio as streams

# Signed by hand, and by botocore: a space is nothing for the fast path.
CLUSTERS = ("prod", "two words")


@pytest.fixture
def in_shell(command: str, environ: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a line of shell in which $TOKEN is authd-token."""

    def run(line: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", line], env={**environ, **more, "TOKEN": command}, cwd=tmp_path, capture_output=True,
            text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("redirection", [">&-", ">/dev/full", "<&- >&-"])
def test_output_that_goes_nowhere_is_a_failure(
    in_shell: Callable, keys: dict[str, str], cluster: str, redirection: str
) -> None:
    """Who can't print the credential says so, in text or as JSON, and fails."""
    done = in_shell(f'"$TOKEN" -i "{cluster}" {redirection}')
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("authd-token: the output cannot be written: ")
    done = in_shell(f'"$TOKEN" -i "{cluster}" -l json {redirection}')
    assert json.loads(done.stderr)["level"] == "error"


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_reader_that_left_is_a_failure_without_a_traceback(
    in_shell: Callable, keys: dict[str, str], cluster: str
) -> None:
    """If the reader has closed the pipe, there is one sentence."""
    done = in_shell(f'{{ sleep 0.2; "$TOKEN" -i "{cluster}"; echo $? >&2; }} | :')
    sentence, status = done.stderr.splitlines()
    assert sentence.startswith("authd-token: ")
    assert status == "1"


@pytest.mark.parametrize("arguments", ["-i prod", "-i prod --cache", '-i "two words" --cache'])
def test_a_warning_never_stands_in_for_the_credential(in_shell: Callable, keys: dict[str, str], arguments: str) -> None:
    """With stderr closed, messages go neither to stdout nor into a file with its descriptor."""
    cache = Path(keys["HOME"]) / ".kube/cache/authd"
    for _ in range(2):
        done = in_shell(f'"$TOKEN" {arguments} 2>&- <&-', KUBERNETES_EXEC_INFO="{")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["kind"] == "ExecCredential"
        for path in cache.glob("*"):
            assert b"KUBERNETES_EXEC_INFO" not in path.read_bytes()
            path.chmod(0o644)  # something more to warn of


def test_an_error_with_every_stream_closed_is_a_status(in_shell: Callable, keys: dict[str, str]) -> None:
    """Where nothing can be said, the exit status says it."""
    assert in_shell('"$TOKEN" -i "two words" <&- >&- 2>&-').returncode == 1
    assert in_shell('"$TOKEN" -i "" <&- >&- 2>&-').returncode == 2


def test_closed_streams_are_given_away_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers of closed streams are taken at once, and stdout's can't be written to."""
    free = os.open(os.devnull, os.O_RDWR)
    os.close(free)
    monkeypatch.setattr(streams, "_STDIN", free)
    monkeypatch.setattr(streams, "_STDOUT", free)
    streams.occupy_closed_streams()
    try:
        with pytest.raises(OSError):
            os.write(free, b"x")
    finally:
        os.close(free)


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "en_US.ISO-8859-1", "nonsense"])
def test_names_mean_the_same_in_every_locale(in_shell: Callable, keys: dict[str, str], locale: str) -> None:
    """A name that is no ASCII is signed and shown in UTF-8 whatever the locale."""
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
def test_bytes_that_are_no_text_get_a_sentence(in_shell: Callable, keys: dict[str, str], line: str) -> None:
    """Bytes that are no UTF-8, in arguments or in the environment, are refused in one sentence."""
    done = in_shell(f"ODD=$(printf 'a\\377b'); {line}")
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert "unexpected" not in sentence


def test_bytes_that_are_no_text_do_not_matter_elsewhere(in_shell: Callable, keys: dict[str, str]) -> None:
    """Paths and foreign variables may hold any bytes."""
    odd = "ODD=$(printf 'a\\377b');"
    for setting in ("AWS_FOREIGN=$ODD", "LANGUAGE=$ODD", 'HOME="$HOME/$ODD"', 'AUTHD_CACHE_DIR="$HOME/$ODD"'):
        done = in_shell(f'{odd} {setting} "$TOKEN" -i prod --cache --token-only')
        assert done.stdout.startswith("k8s-aws-v1."), done.stderr


def test_an_interrupt_is_silent(command: str, environ: dict[str, str], write_aws: Callable, tmp_path: Path) -> None:
    """Ctrl-C while something hangs ends it at once, without a word."""
    started = tmp_path / "started"
    script = write_aws("process.sh", f"touch {started}; exec sleep 60")
    write_aws("config", f"[default]\ncredential_process = sh {script}\n")
    # Tests that run in the background of a shell may have it ignored, and so would what they start.
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
