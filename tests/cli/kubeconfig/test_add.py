from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cli.shapes import parsed

ROLE = "arn:aws:iam::123456789012:role/Admin"
EXISTING = """\
# my clusters
apiVersion: v1
kind: Config
current-context: other  # the usual one
clusters:
- name: prod
  cluster:
    # behind the VPN
    server: https://127.0.0.1:1
users:
# somebody else
- name: other
  user:
    token: abc
- name: prod
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1alpha1
      command: old-plugin # was here
      args:
      - "-x"
      env:
      - name: AWS_PROFILE
        value: dev
preferences: {}
# the end
"""


def test_a_new_file(run: Callable, kubeconfig: Path) -> None:
    """A missing kubeconfig is created, readable by its owner only, with a user that kubectl can read."""
    done = run("add", "prod", "--role", ROLE, "--region", "eu-west-1", "--profile", "dev")
    assert done.returncode == 0, done.stderr
    assert "kubectl config set-cluster prod" in done.stdout
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    found = yaml.safe_load(kubeconfig.read_text())
    assert (found["apiVersion"], found["kind"]) == ("v1", "Config")
    (user,) = found["users"]
    assert user == {
        "name": "prod",
        "user": {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1beta1",
                "command": "authd-token",
                "args": [
                    "--cluster-id",
                    "prod",
                    "--role",
                    ROLE,
                    "--region",
                    "eu-west-1",
                    "--profile",
                    "dev",
                    "--cache",
                ],
                "installHint": "authd-token is missing; install authd from its clone or wheel (`pipx install .`)",
                "interactiveMode": "IfAvailable",
                "provideClusterInfo": False,
            }
        },
    }
    assert "up to date" in run("add", "prod", "--role", ROLE, "--region", "eu-west-1", "--profile", "dev").stdout


def test_a_merge_keeps_comments_and_order(run: Callable, kubeconfig: Path) -> None:
    """An existing user is changed in place: comments, order, env and other users stay."""
    kubeconfig.write_text(EXISTING)
    done = run("add", "prod", "--interactive-mode", "Never", "--provide-cluster-info", "--use")
    assert done.returncode == 0, done.stderr
    text = kubeconfig.read_text()
    for comment in (
        "# my clusters",
        "# the usual one",
        "# behind the VPN",
        "# somebody else",
        "# was here",
        "# the end",
    ):
        assert comment in text
    found, before = yaml.safe_load(text), yaml.safe_load(EXISTING)
    assert list(found) == [*before, "contexts"]
    assert found["users"][0] == before["users"][0]
    plugin = found["users"][1]["user"]["exec"]
    assert plugin["command"] == "authd-token"
    assert plugin["args"] == ["--cluster-id", "prod", "--cache"]
    assert plugin["env"] == [{"name": "AWS_PROFILE", "value": "dev"}]
    assert (plugin["interactiveMode"], plugin["provideClusterInfo"]) == ("Never", True)
    assert found["contexts"] == [{"name": "prod", "context": {"cluster": "prod", "user": "prod"}}]
    assert found["current-context"] == "prod"
    assert "+      command: authd-token # was here" in done.stdout
    (copy,) = kubeconfig.parent.glob("config.*.bak")
    assert copy.read_text() == EXISTING


def test_a_dry_run_writes_nothing(run: Callable, kubeconfig: Path) -> None:
    """With --dry-run the diff is shown and the file stays."""
    kubeconfig.write_text(EXISTING)
    done = run("add", "prod", "--dry-run")
    assert "nothing was written" in done.stdout
    assert "+      command: authd-token" in done.stdout
    assert kubeconfig.read_text() == EXISTING
    assert list(kubeconfig.parent.iterdir()) == [kubeconfig]


def test_json(run: Callable, kubeconfig: Path) -> None:
    """With `--output json` the changed file, its diff and its backup are members."""
    kubeconfig.write_text(EXISTING)
    output = parsed("kubeconfig add", run("add", "prod", "--output", "json").stdout)
    (changed,) = output["files"]
    assert (changed["file"], Path(changed["backup"]).read_text()) == (str(kubeconfig), EXISTING)
    assert "+      command: authd-token" in changed["diff"]
    assert parsed("kubeconfig add", run("add", "prod", "--output", "json").stdout)["files"] == []
    assert "has no cluster" in parsed("kubeconfig add", run("add", "new", "-o", "json").stdout)["hint"]


@pytest.mark.parametrize(
    "text",
    [
        "", "users: []\n", "users: null\nkind: Config\n", "users:\n", '{"kind": "Config", "users": []}\n',
        '{"users": [{"name": "a", "user": {"token": "x"}}], "contexts": null}', "kind: Config",
        '{"users": null, "clusters": [{"name": "prod", "cluster": {}}], "contexts": []}', "{}",
        "users:\n  - name: a\n    user: {token: x}\n  # last\n",
        "users:\n- name: prod\n  user: {}\n", "users:\n- name: prod\n  user:\n- name: b\n  user: {}\n",
        "users: [{name: prod, user: {exec: {command: x, args: [a, b], env: null}}}]\n",
        "users:\n- user:\n    exec:\n      args: null\n      command: |\n        x\n  name: prod\n",
        "users:\n- name: prod\n  user:\n    exec:\n      command: x\n      args:\n        - a # b\n        - c\nkind: Config",
    ],
)  # fmt: skip
def test_every_style(run: Callable, kubeconfig: Path, text: str) -> None:
    """In block style, flow style, JSON and empty sections, the result has the new user."""
    kubeconfig.write_text(text)
    done = run("add", "prod", "--role", ROLE)
    assert done.returncode == 0, done.stderr
    found, before = yaml.safe_load(kubeconfig.read_text()), yaml.safe_load(text) or {}
    (user,) = [user for user in found["users"] if user["name"] == "prod"]
    assert user["user"]["exec"]["args"] == ["--cluster-id", "prod", "--role", ROLE, "--cache"]
    assert user["user"]["exec"]["command"] == "authd-token"
    others = [entry for entry in found["users"] if entry["name"] != "prod"]
    assert others == [entry for entry in before.get("users") or [] if entry["name"] != "prod"]


def test_a_user_with_another_login_stays(run: Callable, kubeconfig: Path) -> None:
    """A user that logs in with a token isn't overwritten."""
    kubeconfig.write_text(EXISTING)
    done = run("add", "prod", "--alias", "other")
    assert done.returncode == 2
    assert "the user other logs in with token; choose another --alias" in done.stderr
    assert kubeconfig.read_text() == EXISTING


def test_an_unknown_cluster(run: Callable, kubeconfig: Path) -> None:
    """A cluster that the kubeconfig lacks is an error with the known clusters."""
    kubeconfig.write_text(EXISTING)
    done = run("add", "prod", "--cluster", "nix")
    assert (done.returncode, "it has: prod" in done.stderr) == (2, True)


@pytest.mark.parametrize("text", ["a: [", "- x\n", "text"])
def test_a_broken_file(run: Callable, kubeconfig: Path, text: str) -> None:
    """A file that isn't a kubeconfig is an error with its name, and is not changed."""
    kubeconfig.write_text(text)
    done = run("add", "prod")
    assert done.returncode == 2
    assert str(kubeconfig) in done.stderr
    assert "Traceback" not in done.stderr
    assert kubeconfig.read_text() == text


@pytest.mark.parametrize("flags", [(), ("--no-backup",)])
def test_a_pipe_stays(flags: tuple[str, ...], run: Callable, kubeconfig: Path) -> None:
    """A pipe, as from the shell's `<(…)`, and so a device such as /dev/null, is refused and stays as it is."""
    os.mkfifo(kubeconfig)
    threading.Thread(target=kubeconfig.write_text, args=(EXISTING,), daemon=True).start()
    done = run("add", "prod", *flags)
    fault = "it is not a regular file; correct this, or name another file with --kubeconfig"
    assert (done.returncode, done.stderr) == (2, f"authd: {kubeconfig} cannot be written: {fault}\n")
    assert [(path.name, path.is_fifo()) for path in kubeconfig.parent.iterdir()] == [("config", True)]


def test_the_right_one_of_several_files(run: Callable, kubeconfig: Path, tmp_path: Path) -> None:
    """Of the files in KUBECONFIG, the one with the user or the cluster is changed."""
    second = tmp_path / "second"
    second.write_text(EXISTING)
    done = run("add", "prod", KUBECONFIG=f"{kubeconfig}:{second}")
    assert done.returncode == 0, done.stderr
    assert not kubeconfig.exists()
    assert "authd-token" in second.read_text()


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_understands_it(run: Callable, kubeconfig: Path) -> None:
    """The real kubectl reads the result, and runs the plugin as `kubectl authd`."""
    kubeconfig.write_text(EXISTING)
    assert run("authd", "add", "prod", "--use", program="kubectl").returncode == 0
    shown = run("config", "view", "-o", "jsonpath={.users[1].user.exec.command}", program="kubectl")
    assert shown.stdout == "authd-token"
