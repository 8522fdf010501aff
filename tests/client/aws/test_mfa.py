from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.client.rig.samples import ROLE, SECRET


@pytest.fixture
def mfa_profile(write_aws: Callable, environ: dict[str, str], sts: object) -> object:
    """Write a default profile whose role requires an MFA code."""
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


def test_the_code_is_read_from_the_terminal(
    in_terminal: Callable, mfa_profile: object, environ: dict[str, str]
) -> None:
    """If kubectl reports an interactive session, the prompt is on the terminal, and stdout has only the credential."""
    environ["KUBERNETES_EXEC_INFO"] = _exec_info(interactive=True)
    status, printed, seen = in_terminal(b"778899\n", "-i", "prod")
    assert status == 0, seen
    assert json.loads(printed)["kind"] == "ExecCredential"
    assert b"778899" not in seen
    (call,) = mfa_profile.calls("AssumeRole")
    assert call["TokenCode"] == "778899"
    assert call["SerialNumber"] == "arn:aws:iam::123456789012:mfa/me"


def test_invalid_code_is_not_sent(in_terminal: Callable, mfa_profile: object, environ: dict[str, str]) -> None:
    """A password entered at the prompt by mistake is neither sent nor shown."""
    environ["KUBERNETES_EXEC_INFO"] = _exec_info(interactive=True)
    status, printed, seen = in_terminal(b"my password\n", "-i", "prod")
    assert (status, printed) == (1, "")
    assert b"six digits" in seen
    assert b"password" not in seen
    assert mfa_profile.endpoint.requests == []


def test_no_prompt_without_interaction(in_terminal: Callable, mfa_profile: object, environ: dict[str, str]) -> None:
    """If kubectl reports a session without interaction, there is no prompt even on a terminal."""
    environ["KUBERNETES_EXEC_INFO"] = _exec_info(interactive=False)
    status, printed, seen = in_terminal(b"778899\n", "-i", "prod")
    assert (status, printed) == (1, "")
    assert b"kubectl says that its input is not interactive" in seen
    assert b"MFA code for" not in seen
    assert mfa_profile.calls("AssumeRole") == []


@pytest.mark.parametrize("info", [None, "", "{", _exec_info(interactive=True).replace("/v1", "/v9")])
def test_no_prompt_without_exec_info(
    in_terminal: Callable, mfa_profile: object, environ: dict[str, str], info: str | None
) -> None:
    """Without a valid ExecInfo there is no prompt even on a terminal, and the error gives the next step."""
    environ.update({} if info is None else {"KUBERNETES_EXEC_INFO": info})
    status, printed, seen = in_terminal(b"778899\n", "-i", "prod")
    assert (status, printed) == (1, "")
    assert b"MFA code for" not in seen
    for word in (b"run this through kubectl", b"`interactiveMode: IfAvailable`", b"`aws sts get-session-token`"):
        assert word in seen
    assert mfa_profile.calls("AssumeRole") == []


def test_no_terminal(authd_token: Callable, mfa_profile: object, environ: dict[str, str]) -> None:
    """In an interactive session without a terminal, it fails at once with an error."""
    message = authd_token("-i", "prod", KUBERNETES_EXEC_INFO=_exec_info(interactive=True)).message()
    assert "there is no terminal: run kubectl in a terminal" in message


@pytest.mark.parametrize(("typed", "expected"), [(b"\x04", 1), (b"\x03", 130)])
def test_cancelled_prompt(
    in_terminal: Callable, mfa_profile: object, environ: dict[str, str], typed: bytes, expected: int
) -> None:
    """Ctrl-D and Ctrl-C at the prompt end it without a traceback, and nothing is sent."""
    environ["KUBERNETES_EXEC_INFO"] = _exec_info(interactive=True)
    status, printed, seen = in_terminal(typed, "-i", "prod")
    assert (status, printed) == (expected, "")
    assert b"Traceback" not in seen
    assert b"unexpected" not in seen
    assert mfa_profile.endpoint.requests == []


def test_a_cached_role_needs_no_second_code(
    authd_token: Callable, in_terminal: Callable, mfa_profile: object, environ: dict[str, str]
) -> None:
    """With --cache the credentials of the profile's role are cached, so that another cluster needs no new code."""
    environ["KUBERNETES_EXEC_INFO"] = _exec_info(interactive=True)
    status, _, seen = in_terminal(b"123456\n", "-i", "one", "--cache")
    assert status == 0, seen
    result = authd_token("-i", "two", "--cache", KUBERNETES_EXEC_INFO=_exec_info(interactive=False))
    assert result.key_id == "ASIAROLE0001", result.err
    assert len(mfa_profile.calls("AssumeRole")) == 1
