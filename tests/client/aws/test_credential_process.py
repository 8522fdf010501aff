from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from authd.client.aws import credential_process
from authd.client.aws.credential_process import BoundedProcess
from authd.client.fast.errors import ClientError
from tests.client.rig.samples import SECRET

_OUTPUT = json.dumps({"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": SECRET})


def test_hanging_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that does not end in time is killed, and the error gives the next step."""
    monkeypatch.setattr(credential_process, "_SECONDS", 0.05)
    process = BoundedProcess(["sleep", "60"])
    with pytest.raises(ClientError, match="run it by hand"):
        process.communicate()
    assert process._process.wait(30) < 0


def test_hanging_process_with_closed_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that closes its output and hangs is killed too, because its exit status is needed."""
    monkeypatch.setattr(credential_process, "_SECONDS", 0.05)
    process = BoundedProcess(["sh", "-c", "exec >&-; exec sleep 60"])
    with pytest.raises(ClientError, match="did not end"):
        process.communicate()
    assert process._process.wait(30) < 0


def test_endless_output() -> None:
    """A program with endless output is stopped at the size limit."""
    with pytest.raises(ClientError, match="far more than a credential"):
        BoundedProcess(["yes"]).communicate()


def test_missing_program() -> None:
    """The error for a missing program says that it can't be started."""
    with pytest.raises(ClientError, match="cannot be started"):
        BoundedProcess(["/nonexistent/program"])


def test_stderr_is_discarded(authd_token: Callable, write_aws: Callable) -> None:
    """The stderr of a successful program is discarded, because it could contain a secret."""
    script = write_aws("process.sh", f"echo {SECRET} >&2; echo '{_OUTPUT}'")
    write_aws("config", f"[default]\ncredential_process = sh {script}\n")
    result = authd_token("-i", "prod")
    assert (result.key_id, result.err) == ("AKIAPROCESS", "")


@pytest.mark.parametrize("section", ["default", "profile base"])
def test_source_profile_is_bounded(authd_token: Callable, write_aws: Callable, section: str) -> None:
    """The limits apply to the program of a source profile as well as to the profile's own."""
    role = "[default]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\n"
    write_aws("config", f"{role if section != 'default' else ''}[{section}]\ncredential_process = yes\n")
    assert "far more than a credential" in authd_token("-i", "prod").message()


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
def test_invalid_output(authd_token: Callable, write_aws: Callable, printed: str) -> None:
    """Invalid output gives one error, which shows nothing of it."""
    file = write_aws("printed", "")
    file.write_bytes(printed.encode("utf-8", "surrogateescape"))
    write_aws("config", f"[default]\ncredential_process = cat {file}\n")
    assert "unexpected" not in authd_token("-i", "prod").message()
