from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from authd.client.fast.flags import parse_flags
from tests.cli.shapes import parsed

ROLE = "arn:aws:iam::123456789012:role/Admin"
USERS = f"""\
users:
- name: official
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1alpha1  # old
      command: /usr/local/bin/aws-iam-authenticator
      args: [token, -i, one, -r, "{ROLE}", --feature-gates=X=true]
      env:
      - {{name: AWS_PROFILE, value: dev}}
- name: heptio
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: heptio-authenticator-aws
      args:
      - token
      - -i
      - two
- name: eks
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args:
      # the region
      - --region
      - eu-west-1
      - eks
      - get-token
      - --cluster-name
      - three # the cluster
      - --role-arn={ROLE}
      - --output
      - json
      - --no-verify-ssl
      - --endpoint-url
      - https://eks.example.com
      command: aws
      env: null
- name: flow
  user: {{exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: [eks, get-token, --cluster-name, four, --output, json]}}}}
- name: shell
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: sh
      args: [-c, "aws eks get-token --cluster-name five"]
- name: other
  user:
    token: abc # mine
"""


def _users(text: str) -> dict[str, dict]:
    return {entry["name"]: entry["user"] for entry in yaml.safe_load(text)["users"]}


def test_all_users(run: Callable, kubeconfig: Path) -> None:
    """Users of all three programs are converted with arguments and env, and the rest is reported."""
    kubeconfig.write_text(USERS)
    done = run("convert")
    assert done.returncode == 0, done.stderr
    text = kubeconfig.read_text()
    users, before = _users(text), _users(USERS)
    for name in ("official", "heptio", "eks", "flow"):
        assert users[name]["exec"]["command"] == "authd-token"
        assert users[name]["exec"]["apiVersion"] == "client.authentication.k8s.io/v1beta1"
    options = {name: parse_flags(users[name]["exec"]["args"]) for name in ("official", "heptio", "eks", "flow")}
    assert [options[name].cluster_id for name in options] == ["one", "two", "three", "four"]
    assert (options["official"].role, options["eks"].role, options["eks"].region) == (ROLE, ROLE, "eu-west-1")
    assert users["official"]["exec"]["env"] == [{"name": "AWS_PROFILE", "value": "dev"}]
    assert users["eks"]["exec"]["args"] == ["--region", "eu-west-1", "--cluster-id", "three", f"--role={ROLE}"]
    assert users["flow"]["exec"]["args"] == ["--cluster-id", "four"]
    assert (users["shell"], users["other"]) == (before["shell"], before["other"])
    for comment in ("# old", "# the region", "# the cluster", "# mine"):
        assert comment in text
    for note in (
        "user official: --feature-gates is accepted without effect",
        "user eks: --no-verify-ssl has no counterpart and was removed",
        "user eks: --endpoint-url has no counterpart and was removed",
        "user shell: runs its plugin through another program; change it by hand",
    ):
        assert note in done.stdout
    assert "nothing changed" in run("convert").stdout


def test_named_users(run: Callable, kubeconfig: Path) -> None:
    """Only the named users are converted, and a missing name is an error."""
    kubeconfig.write_text(USERS)
    assert run("convert", "heptio").returncode == 0
    users = _users(kubeconfig.read_text())
    assert users["heptio"]["exec"]["command"] == "authd-token"
    assert users["eks"]["exec"]["command"] == "aws"
    done = run("convert", "nix")
    assert (done.returncode, "no user nix" in done.stderr) == (2, True)


def test_a_dry_run_writes_nothing(run: Callable, kubeconfig: Path) -> None:
    """With --dry-run the diff is shown and the file stays."""
    kubeconfig.write_text(USERS)
    assert "+      command: authd-token" in run("convert", "--dry-run").stdout
    output = parsed("kubeconfig convert", run("convert", "--dry-run", "-o", "json").stdout)
    assert (output["dryRun"], output["files"][0]["backup"]) == (True, None)
    assert output["notes"]
    assert kubeconfig.read_text() == USERS
