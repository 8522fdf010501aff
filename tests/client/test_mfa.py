from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYSECRETKEY"
ROLE = "arn:aws:iam::123456789012:role/KubernetesAdmin"


@pytest.fixture
def mfa_profile(write_aws: Callable, environ: dict[str, str], sts: object) -> object:
    """Write a default profile whose role wants a code."""
    write_aws("credentials", f"[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = {SECRET}\n")
    write_aws(
        "config",
        f"[default]\nrole_arn = {ROLE}\nsource_profile = base\nmfa_serial = arn:aws:iam::123456789012:mfa/me\nregion = eu-west-1\n",
    )
    return sts


def _exec_info(*, interactive: bool) -> str:
    return json.dumps(
        {
            "kind": "ExecCredential",
            "apiVersion": "client.authentication.k8s.io/v1",
            "spec": {"interactive": interactive},
        }
    )


# Make the terminal on stdin the controlling one, then become authd-token.
_BECOME = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "authd.client", "-i", "prod"])
"""


def _in_terminal(environ: dict[str, str], typed: bytes) -> tuple[int, str, bytes]:
    """Run authd-token with a terminal as its stdin, stderr and controlling terminal, and stdout in a pipe."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _BECOME], env=environ, stdin=end, stderr=end, stdout=subprocess.PIPE,
        start_new_session=True, text=True,
    )  # fmt: skip
    os.close(end)
    seen = _answer_the_question(terminal, typed)
    printed, _ = process.communicate(timeout=60)
    os.close(terminal)
    return process.returncode, printed, seen


def _answer_the_question(terminal: int, typed: bytes) -> bytes:
    """Type where a code is asked for, and return everything that was shown until the program ended."""
    seen, sent, deadline = b"", False, time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            chunk = os.read(terminal, 1024)
        except OSError:  # the other end is closed
            break
        seen += chunk
        if b"MFA code for" in seen and not sent:
            os.write(terminal, typed)
            sent = True
    return seen


def test_the_code_is_asked_on_the_terminal(mfa_profile: object, environ: dict[str, str]) -> None:
    """Where kubectl says interactive, the code is asked on the terminal and stdout has the credential alone."""
    environ["KUBERNETES_EXEC_INFO"] = _exec_info(interactive=True)
    status, printed, seen = _in_terminal(environ, b"778899\n")
    assert status == 0, seen
    assert json.loads(printed)["kind"] == "ExecCredential"
    assert b"778899" not in seen
    (call,) = mfa_profile.calls("AssumeRole")
    assert call["TokenCode"] == "778899"
    assert call["SerialNumber"] == "arn:aws:iam::123456789012:mfa/me"


def test_what_is_no_code_is_not_sent(mfa_profile: object, environ: dict[str, str]) -> None:
    """A password typed into the wrong question stays here."""
    environ["KUBERNETES_EXEC_INFO"] = _exec_info(interactive=True)
    status, printed, seen = _in_terminal(environ, b"my password\n")
    assert (status, printed) == (1, "")
    assert b"six digits" in seen
    assert b"password" not in seen
    assert mfa_profile.endpoint.requests == []


def test_nobody_is_asked_where_kubectl_says_so(mfa_profile: object, environ: dict[str, str]) -> None:
    """Where kubectl says not interactive, nobody is asked even though there is a terminal."""
    environ["KUBERNETES_EXEC_INFO"] = _exec_info(interactive=False)
    status, printed, seen = _in_terminal(environ, b"778899\n")
    assert (status, printed) == (1, "")
    assert b"MFA code" in seen
    assert b"MFA code for" not in seen
    assert mfa_profile.calls("AssumeRole") == []


def test_without_a_terminal_it_fails_with_a_sentence(authd_token: Callable, mfa_profile: object) -> None:
    """Neither ExecInfo nor a terminal: one sentence and no waiting."""
    assert "MFA code" in authd_token("-i", "prod").sentence()


def test_a_cached_role_needs_no_second_code(
    authd_token: Callable, mfa_profile: object, environ: dict[str, str]
) -> None:
    """With --cache the profile's own role is kept, so that another cluster needs no new code."""
    environ["KUBERNETES_EXEC_INFO"] = _exec_info(interactive=True)
    environ["KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID"] = "x"
    program = (
        "import sys; from authd.client import mfa; mfa.ask_for_code = lambda **_: lambda prompt: '123456'\n"
        "import authd.client.aws_session as s; s.ask_for_code = mfa.ask_for_code\n"
        "from authd.client.main import main; sys.exit(main(sys.argv[1:]))"
    )
    for cluster in ("one", "two"):
        subprocess.run(
            [sys.executable, "-c", program, "-i", cluster, "--cache"],
            env=environ,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    assert len(mfa_profile.calls("AssumeRole")) == 1
