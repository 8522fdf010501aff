"""The cache with real processes, each with its own parent, and an STS that counts calls."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.rig.samples import ROLE, SECRET


@pytest.fixture
def program(command: str) -> str:
    """Return the shell command that runs authd-token with the cache."""
    return f"{shlex.quote(command)} --cache --token-only"


@pytest.fixture
def parent(program: str, environ: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a process that runs authd-token with each of the given argument strings, one after the other."""

    def start(*runs: str, **more: str) -> subprocess.Popen[str]:
        script = "".join(f"{program} {arguments} || exit 1\n" for arguments in runs) + ":\n"
        return subprocess.Popen(
            ["/bin/sh", "-c", script], env={**environ, **more}, cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return start


@pytest.fixture
def kubectl(keys: dict[str, str]) -> dict[str, str]:
    """Set credentials, and ExecInfo as client-go writes it."""
    keys["KUBERNETES_EXEC_INFO"] = (
        '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}\n'
    )
    return keys


def _finish(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split(), err


@pytest.fixture
def tokens(parent: Callable[..., subprocess.Popen[str]]) -> Callable[..., list[str]]:
    """Run a parent to its end, check that its stderr is empty, and return its tokens."""

    def run(*runs: str, **more: str) -> list[str]:
        out, err = _finish(parent(*runs, **more))
        assert err == ""
        return out

    return run


def test_parallel_requests(keys: dict[str, str], sts: object, parent: Callable) -> None:
    """Fifty parallel requests cause one AssumeRole call and share one token."""
    processes = [parent(f"-i prod -r {ROLE}") for _ in range(50)]
    found = {token for process in processes for token in _finish(process)[0]}
    assert len(found) == 1
    assert len(sts.calls("AssumeRole")) == 1


def test_parallel_clusters(keys: dict[str, str], sts: object, parent: Callable) -> None:
    """Parallel requests for several clusters with one role cause one AssumeRole call, and each has its own token."""
    processes = [parent(f"-i cluster-{number} -r {ROLE}") for number in range(8)]
    assert len({_finish(process)[0][0] for process in processes}) == 8
    assert len(sts.calls("AssumeRole")) == 1


def test_refusals(kubectl: dict[str, str], sts: object, parent: Callable, tokens: Callable) -> None:
    """client-go's second request means a refused token and renews it. The third renews the role's credentials too."""
    (first, second, third, fourth), err = _finish(parent(*[f"-i prod -r {ROLE}; sleep 1"] * 4))
    assert len({first, second, third, fourth}) == 4
    assert len(sts.calls("AssumeRole")) == 3
    lines = err.splitlines()
    assert len(lines) == 3
    command = f"authd-token --cluster-id prod --role {ROLE} --region eu-west-1 --why"
    assert set(lines) == {
        f"authd-token: warning: the cluster refused the last token; run `{command}` to find the reason"
    }
    assert tokens(f"-i prod -r {ROLE}") == [fourth]
    assert len(sts.calls("AssumeRole")) == 3


@pytest.mark.parametrize(
    "info",
    [
        None,
        '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": {"interactive": false}}',
        '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "spec": {"interactive": false}}',
    ],
)
def test_repeated_request_of_another_program(
    keys: dict[str, str], sts: object, tokens: Callable, info: str | None
) -> None:
    """A repeated request of a program other than client-go is not a refusal and gets the cached token."""
    more = {"KUBERNETES_EXEC_INFO": info} if info else {}
    assert len(set(tokens(*[f"-i prod -r {ROLE}"] * 5, **more))) == 1
    assert len(sts.calls("AssumeRole")) == 1


def test_two_clusters_in_one_process(keys: dict[str, str], sts: object, tokens: Callable) -> None:
    """Requests of one process for two clusters are not a refusal."""
    tokens(f"-i one -r {ROLE}", f"-i two -r {ROLE}")
    assert len(sts.calls("AssumeRole")) == 1


def test_process_that_executes_another_program(
    program: str, kubectl: dict[str, str], sts: object, parent: Callable
) -> None:
    """A launcher that requests a token and then executes kubectl in its own process shares the token with it."""
    run_as_child = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1].split()))"
    run = f"{program} -i prod -r {ROLE}"
    first, second = _finish(parent(f"-i prod -r {ROLE}\nexec {sys.executable} -c '{run_as_child}' '{run}'; :"))[0]
    assert first == second
    assert len(sts.calls("AssumeRole")) == 1


def test_parallel_refusals(program: str, kubectl: dict[str, str], sts: object, parent: Callable) -> None:
    """Parallel processes whose token was refused share one new token."""
    gate = Path(kubectl["HOME"]) / "gate"
    wait = f"token; until [ -e {gate} ]; do sleep 0.01; done; {program}"
    waiting = [parent(f"-i prod -r {ROLE} {wait} -i prod -r {ROLE}") for _ in range(10)]
    deadline = time.monotonic() + 60
    cache = Path(kubectl["HOME"]) / ".kube/cache/authd"
    while (
        time.monotonic() < deadline
        and sum(path.read_bytes().partition(b"\n\n")[2].count(b"\n") for path in cache.glob("token-*")) < 10
    ):
        time.sleep(0.05)
    time.sleep(1.1)  # a token signed in the same second would be the same
    gate.touch()
    pairs = [_finish(process)[0] for process in waiting]
    assert len({first for first, _ in pairs}) == 1
    assert len({second for _, second in pairs}) == 1
    assert pairs[0][0] != pairs[0][1]
    assert len(sts.calls("AssumeRole")) == 1


def test_token_without_a_role(keys: dict[str, str], tokens: Callable) -> None:
    """Without a role the token is cached too."""
    (first,) = tokens("-i prod")
    assert tokens("-i prod", "-i other")[0] == first


def test_changed_shared_file(keys: dict[str, str], tokens: Callable, write_aws: Callable) -> None:
    """After a change of a shared file, a new token is made."""
    del keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]
    write_aws("credentials", f"[default]\naws_access_key_id = AKIAONE\naws_secret_access_key = {SECRET}\n")
    (first,) = tokens("-i prod")
    assert tokens("-i prod") == [first]
    write_aws("credentials", f"[default]\naws_access_key_id = AKIATWO\naws_secret_access_key = {SECRET}\n")
    assert tokens("-i prod") != [first]


def test_changed_web_identity(environ: dict[str, str], sts: object, tokens: Callable, tmp_path: Path) -> None:
    """After a change of the web identity token file, a new token is made."""
    identity = tmp_path / "identity"
    identity.write_text("one.web.token")
    environ.update(AWS_ROLE_ARN=ROLE, AWS_WEB_IDENTITY_TOKEN_FILE=str(identity), AWS_REGION="eu-west-1")
    (first,) = tokens("-i prod")
    assert tokens("-i prod") == [first]
    assert len(sts.calls("AssumeRoleWithWebIdentity")) == 1
    identity.write_text("another")
    assert tokens("-i prod") != [first]
    assert len(sts.calls("AssumeRoleWithWebIdentity")) == 2


@pytest.mark.parametrize(
    "harm", ["open file", "open folder", "garbage", "link", "folder in its place", "empty", "pipe", "full folder"]
)
def test_untrusted_token_file(keys: dict[str, str], sts: object, tokens: Callable, parent: Callable, harm: str) -> None:
    """If the cache is damaged or can't be trusted, there is a new token and a warning."""
    tokens(f"-i prod -r {ROLE}")
    folder = Path(keys["HOME"]) / ".kube/cache/authd"
    (file,) = folder.glob("token-*")
    if harm == "open file":
        file.chmod(0o644)
    elif harm == "open folder":
        folder.chmod(0o755)
    elif harm in ("garbage", "empty"):
        file.write_bytes(b"\xff\n\n" * 9 if harm == "garbage" else b"")
    else:
        file.unlink()
        if harm == "link":
            file.symlink_to("/etc/hostname")
        elif harm == "pipe":
            os.mkfifo(file, 0o600)
        else:
            file.mkdir(mode=0o700)
            (file / "x").mkdir() if harm == "full folder" else None
    (token,), err = _finish(parent(f"-i prod -r {ROLE}"))
    assert token.startswith("k8s-aws-v1.")
    assert "warning: not using" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("harm", ["link", "pipe", "folder", "open"])
@pytest.mark.parametrize("kind", ["role", "lock-token", "lock-role"])
def test_other_untrusted_files(
    keys: dict[str, str], sts: object, tokens: Callable, parent: Callable, kind: str, harm: str
) -> None:
    """Damaged or untrusted role credentials and locks neither prevent nor delay a token."""
    tokens(f"-i prod -r {ROLE}")
    folder = Path(keys["HOME"]) / ".kube/cache/authd"
    (file,) = folder.glob(f"{kind}-*")
    file.chmod(0o666)
    if harm != "open":
        file.unlink()
    if harm == "link":
        file.symlink_to("/etc/hostname")
    elif harm == "pipe":
        os.mkfifo(file, 0o600)
    elif harm == "folder":
        file.mkdir(mode=0o700)
    cluster = "prod" if kind == "lock-token" else "other"
    (token,), err = _finish(parent(f"-i {cluster} -r {ROLE}"))
    assert token.startswith("k8s-aws-v1.")
    assert ("warning: ignoring cached role credentials" in err) == (kind == "role")
    assert "Traceback" not in err


def test_unusable_cache_folder(keys: dict[str, str], sts: object, parent: Callable) -> None:
    """Without a usable cache folder, there is a token and a warning."""
    blocked = Path(keys["HOME"]) / "file"
    blocked.write_text("")
    for more in ({"HOME": "/proc"}, {"HOME": ""}, {"HOME": "/nonexistent"}, {"AUTHD_CACHE_DIR": f"{blocked}/cache"},
                 {"AUTHD_CACHE_DIR": "relative"}, {"HOME": "relative"}, {"AUTHD_CACHE_DIR": "/tmp/" + "x" * 9000}):  # fmt: skip
        (token,), err = _finish(parent(f"-i prod -r {ROLE}", **more))
        assert token.startswith("k8s-aws-v1.")
        assert "not using the cache" in err


def test_chosen_folder(keys: dict[str, str], sts: object, authd_token: Callable, tmp_path: Path) -> None:
    """AUTHD_CACHE_DIR names the folder, and --clear-cache empties it."""
    folder = tmp_path / "elsewhere"
    keys["AUTHD_CACHE_DIR"] = str(folder)
    assert authd_token("-i", "prod", "-r", ROLE, "--cache").status == 0
    assert sorted(path.name.partition("-")[0] for path in folder.iterdir()) == ["lock", "lock", "role", "token"]
    result = authd_token("--clear-cache")
    assert (result.status, result.out) == (0, f"deleted 2 cached credentials from {folder}\n")
    assert list(folder.iterdir()) == []


def test_clear_without_a_cache(keys: dict[str, str], authd_token: Callable) -> None:
    """--clear-cache without a cache creates no folder."""
    result = authd_token("--clear-cache")
    assert (result.status, result.err) == (0, "")
    assert list(Path(keys["HOME"]).iterdir()) == []


def test_tilde(keys: dict[str, str], authd_token: Callable) -> None:
    """AUTHD_CACHE_DIR may begin with ~/, which no shell expands in a kubeconfig."""
    for _ in range(2):
        assert authd_token("-i", "prod", "--cache", AUTHD_CACHE_DIR="~/a/b").status == 0
    assert (Path(keys["HOME"]) / "a/b").is_dir()


def test_secrets_in_files(keys: dict[str, str], sts: object, authd_token: Callable) -> None:
    """No file has the user's secret key, and only role files have the role's secret key."""
    assert authd_token("-i", "prod", "-r", ROLE, "--cache").status == 0
    for path in (Path(keys["HOME"]) / ".kube/cache/authd").iterdir():
        content = path.read_text()
        assert SECRET not in content
        assert ("assumed-secret" in content) == path.name.startswith("role-")
        if path.name.startswith("role-"):
            assert json.loads(content)["access_key"].startswith("ASIA")
