from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from authd.client.aws import credential_process
from authd.client.aws.credential_process import BoundedProcess
from authd.client.fast.errors import ClientError

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYSECRETKEY"
_ANSWER = json.dumps({"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": SECRET})


def test_one_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that does not end in time is killed, and the sentence says what to do."""
    monkeypatch.setattr(credential_process, "_SECONDS", 0.05)
    process = BoundedProcess(["sleep", "60"])
    with pytest.raises(ClientError, match="run it by hand"):
        process.communicate()
    assert process._process.wait(30) < 0


def test_one_that_closes_its_output_and_hangs_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer alone isn't enough: the exit status decides whether it counts."""
    monkeypatch.setattr(credential_process, "_SECONDS", 0.05)
    process = BoundedProcess(["sh", "-c", "exec >&-; exec sleep 60"])
    with pytest.raises(ClientError, match="did not end"):
        process.communicate()
    assert process._process.wait(30) < 0


def test_one_that_never_stops_printing_is_ended() -> None:
    """An endless answer isn't collected."""
    with pytest.raises(ClientError, match="far more than a credential"):
        BoundedProcess(["yes"]).communicate()


def test_one_that_does_not_exist_is_called_that() -> None:
    """A program that can't be started is no missing file of credentials."""
    with pytest.raises(ClientError, match="cannot be started"):
        BoundedProcess(["/nonexistent/program"])


def test_what_it_says_on_stderr_reaches_nobody(authd_token: Callable, write_aws: Callable) -> None:
    """What a program that works says besides might be a secret, and is dropped."""
    script = write_aws("process.sh", f"echo {SECRET} >&2; echo '{_ANSWER}'")
    write_aws("config", f"[default]\ncredential_process = sh {script}\n")
    answer = authd_token("-i", "prod")
    assert (answer.key_id, answer.err) == ("AKIAPROCESS", "")


@pytest.mark.parametrize("section", ["default", "profile base"])
def test_every_one_is_bounded(authd_token: Callable, write_aws: Callable, section: str) -> None:
    """The program of a role's source profile is bounded like that of the profile itself."""
    role = "[default]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\n"
    write_aws("config", f"{role if section != 'default' else ''}[{section}]\ncredential_process = yes\n")
    assert "far more than a credential" in authd_token("-i", "prod").sentence()


_KEYS = {"AccessKeyId": "AKIAPROCESS", "SecretAccessKey": SECRET}


@pytest.mark.parametrize(
    "printed",
    [
        "", SECRET, "[" * 100_000, "null", "[]", "{}", json.dumps({"Version": 2, **_KEYS}),
        json.dumps({"Version": 1, "AccessKeyId": 1, "SecretAccessKey": [2]}),
        json.dumps({"Version": 1, **_KEYS, "Expiration": "soon"}), json.dumps({"Version": 1, **_KEYS, "Expiration": 12}),
        json.dumps({"Version": 1, **_KEYS, "Expiration": "2020-01-01T00:00:00Z"}),
        json.dumps({"Version": 1, **_KEYS, "SessionToken": "ü"}), "\udcff",
    ],
)  # fmt: skip
def test_garbage_gets_a_sentence(authd_token: Callable, write_aws: Callable, printed: str) -> None:
    """Whatever the program prints, there is one sentence, and nothing of it is shown."""
    file = write_aws("printed", "")
    file.write_bytes(printed.encode("utf-8", "surrogateescape"))
    write_aws("config", f"[default]\ncredential_process = cat {file}\n")
    assert "unexpected" not in authd_token("-i", "prod").sentence()
