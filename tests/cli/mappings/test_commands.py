"""`authd add`, `remove`, `list` and `migrate` as processes, against an API server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from tests.cli.shapes import parsed
from tests.kubernetes.api_server import CONFIG_MAPS, IDENTITIES, APIServer, status

ADMIN = "arn:aws:iam::111122223333:role/Admin"
ALICE = "arn:aws:iam::111122223333:user/alice"
ROLES = f"# keep me\n- rolearn: {ADMIN}\n  username: admin\n  groups:\n  - system:masters\n"


@pytest.fixture
def server(tmp_path):
    with APIServer(tmp_path).running() as running:
        yield running


@pytest.fixture
def authd(server, tmp_path):
    path = server.kubeconfig(tmp_path)

    def authd(*arguments, given="", code=0, cluster=True):
        flags = ["--kubeconfig", str(path)] if cluster else []
        command = [sys.executable, "-m", "authd.cli.main", *arguments, *flags]
        run = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)
        assert run.returncode == code, run.stdout + run.stderr
        assert "the-token" not in run.stdout + run.stderr
        return run

    return authd


def add_alice(authd, *more, **options):
    return authd("add", "user", "--userarn", ALICE, "--username", "alice", "--groups", "a,b", *more, **options)


def data(server):
    return server.get(CONFIG_MAPS, "aws-auth")["data"]


def test_add_to_aws_auth(server, authd):
    """A user is added after a confirmation, and nothing else changes."""
    server.put(CONFIG_MAPS, "aws-auth", data={"mapRoles": ROLES, "other": "x"})
    refused = add_alice(authd, given="n\n", code=1)
    assert "+- userarn: arn:aws:iam::111122223333:user/alice" in refused.stderr
    assert "mapUsers" not in data(server)
    assert "changed" in add_alice(authd, given="y\n").stdout
    users = f"- userarn: {ALICE}\n  username: alice\n  groups:\n  - a\n  - b\n"
    assert data(server) == {"mapRoles": ROLES, "other": "x", "mapUsers": users}
    again = add_alice(authd, "--prompt=false", code=2)
    assert "is mapped already, at configmap kube-system/aws-auth mapUsers:1:3" in again.stderr


def test_add_to_nothing(server, authd):
    """The ConfigMap is created if there is none. A dry run changes nothing."""
    dry = parsed("add", add_alice(authd, "--dry-run", "-o", "json").stdout)
    assert (dry["changed"], dry["dryRun"]) == (False, True)
    assert server.get(CONFIG_MAPS, "aws-auth") is None
    add_alice(authd, "--prompt", "false")
    assert "alice" in data(server)["mapUsers"]


def test_conflict(server, authd):
    """If somebody else changes the ConfigMap in between, nothing is overwritten."""
    server.put(CONFIG_MAPS, "aws-auth", data={"mapRoles": ROLES})

    def change(_) -> bool:
        server.put(CONFIG_MAPS, "aws-auth", data={"mapRoles": "[]"})
        return True

    server.faults += [lambda _: True, change]
    assert "another user has changed" in add_alice(authd, "--prompt=false", code=2).stderr
    assert data(server) == {"mapRoles": "[]"}


def test_remove_and_list(server, authd):
    """Rules are listed with their places, and removed."""
    server.put(CONFIG_MAPS, "aws-auth", data={"mapRoles": ROLES})
    assert authd("list").stdout == (f"{ADMIN}  admin  system:masters  (configmap kube-system/aws-auth mapRoles:2:3)\n")
    (rule,) = parsed("list", authd("list", "-o", "json").stdout)
    assert (rule["kind"], rule["arn"], rule["groups"]) == ("role", ADMIN, ["system:masters"])
    removed = authd("remove", "role", "--rolearn", ADMIN, "--prompt=false", "-o", "json").stdout
    assert parsed("remove", removed)["changed"]
    assert data(server)["mapRoles"] == "# keep me\n[]\n"
    assert "there is no mapping" in authd("remove", "role", "--rolearn", ADMIN, code=2).stderr


def test_custom_resources(server, authd):
    """Rules are added, listed and removed as custom resources."""
    add_alice(authd, "--in", "crd", "--prompt=false")
    assert f"{ALICE}  alice  a,b  (iamidentitymapping user-alice-" in authd("list", "--in", "crd").stdout
    authd("remove", "user", "--userarn", ALICE, "--in", "crd", "--prompt=false")
    assert authd("list", "--in", "crd").stdout == ""


def test_migrate(server, authd, tmp_path):
    """Rules are copied, existing ones are not changed, and those without a counterpart are reported."""
    accounts = '- "444455556666"\n'
    server.put(CONFIG_MAPS, "aws-auth", data={"mapRoles": ROLES, "mapAccounts": accounts})
    server.put(IDENTITIES, "x", spec={"arn": ALICE, "username": "alice"})
    run = authd("migrate", "--from", "aws-auth", "--to", "crd", "--prompt=false", "--strict", code=1)
    assert "mapAccounts has no counterpart" in run.stderr
    assert "nothing to change" in authd("migrate", "--from", "aws-auth", "--to", "crd", "--prompt=false").stdout
    again = authd("migrate", "--from", "aws-auth", "--to", "crd", "--prompt=false", "-o", "json").stdout
    assert not parsed("migrate", again)["changed"]
    rules = parsed("migrate --to file", authd("migrate", "--from", "crd", "--to", "file", "-o", "json").stdout)
    assert {rule["arn"] for rule in rules} == {ADMIN, ALICE}
    printed = authd("migrate", "--from", "crd", "--to", "file").stdout
    (tmp_path / "config.yaml").write_text("clusterID: c\n" + printed)
    checked = authd("check", str(tmp_path / "config.yaml"), cluster=False)
    assert "1 role rule, 1 user rule" in checked.stdout


def test_migrate_entries(authd):
    """Access entries are converted to rules of a file without a cluster."""
    entry = {"accessEntry": {"principalArn": ADMIN, "type": "STANDARD", "username": "a", "kubernetesGroups": ["g"]}}
    run = authd("migrate", "--from", "access-entries", "--file", "-", "--to", "file", given=json.dumps(entry))
    assert f"- rolearn: {ADMIN}\n    username: a\n    groups:\n    - g\n" in run.stdout


@pytest.mark.parametrize("metadata", [{"name": "other"}, {"namespace": "default"}, {}])
def test_another_object(server, authd, metadata):
    """If the API server sends another object than aws-auth, nothing is written."""
    sent = {"name": "aws-auth", "namespace": "kube-system", "resourceVersion": "5", **metadata}
    kind = "ConfigMap" if metadata else "Secret"
    server.faults.append(lambda it: it.answer(200, {"kind": kind, "metadata": sent, "data": {}}))
    assert "the API server sent " in add_alice(authd, "--prompt=false", code=2).stderr
    assert [method for method, _ in server.requests] == ["GET"]


def test_forbidden(server, authd):
    """A refusal of the API server is an error without a traceback."""
    server.faults.append(lambda it: it.answer(403, status(403, "Forbidden", "no access")))
    assert "the API server answered 403 (no access)" in authd("list", code=2).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "user", "--username", "u"),
        ("add", "user", "--rolearn", ADMIN, "--username", "u"),
        ("add", "role", "--sso", "x", "--username", "u"),
        ("add", "role", "--rolearn", "x", "--username", "u"),
        ("remove", "user", "--rolearn", ADMIN),
        ("migrate", "--from", "crd", "--to", "crd"),
        ("migrate", "--from", "file", "--to", "crd"),
        ("migrate", "--from", "file", "--file", "/nonexistent", "--to", "crd"),
    ],
)
def test_wrong_flags(arguments, capsys, monkeypatch, tmp_path):
    """Wrong flags are an error before any call."""
    from authd.cli.main import main

    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert main(list(arguments)) == 2
    assert capsys.readouterr().err.startswith("authd: ")


def test_credential_plugin(server, tmp_path):
    """A kubeconfig with a credential plugin, like those of EKS, can be used."""
    credential = json.dumps({"kind": "ExecCredential", "status": {"token": "the-token"}})
    for script, code in ((f"print({credential!r})", 0), ("raise SystemExit(1)", 2), ("print('{}')", 2)):
        plugin = json.dumps({"command": sys.executable, "args": ["-c", script]})
        path = server.kubeconfig(tmp_path, f"{{exec: {plugin}}}")
        command = [sys.executable, "-m", "authd.cli.main", "list", "--kubeconfig", str(path)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert run.returncode == code, run.stderr
        assert ("credential plugin" in run.stderr) == bool(code)


@pytest.mark.parametrize("before", ["", "missing:", "other:"])
@pytest.mark.parametrize("context", [None, "c"])
def test_several_kubeconfigs(server, tmp_path, before, context):
    """Of the files in KUBECONFIG, the one with the context is used. Empty and missing ones are skipped, as by kubectl."""
    (tmp_path / "home" / ".kube").mkdir(parents=True)
    (tmp_path / "home" / ".kube" / "config").write_text("current-context: wrong\n")
    (tmp_path / "other").write_text("current-context: gone\n" if context else "contexts: []\n")
    kubeconfigs = f"{before and tmp_path / before}:{server.kubeconfig(tmp_path)}"
    flags = ["--kubeconfig-context", context] if context else []
    command = [sys.executable, "-m", "authd.cli.main", "list", *flags]
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "KUBECONFIG": kubeconfigs}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("word", ["0", "f", "F", "false", "FALSE", "False"])
def test_no_question(authd, server, word):
    """`--prompt` takes the spellings of aws-iam-authenticator's booleans."""
    add_alice(authd, f"--prompt={word}")
    assert server.get(CONFIG_MAPS, "aws-auth") is not None


@pytest.mark.parametrize("source", ["file", "access-entries"])
def test_too_much_standard_input(authd, source):
    """Standard input beyond 8 MiB is an error, and never cut: that would lose mappings."""
    given = "server:\n" + "# comment\n" * 900_000 + f"  mapRoles: [{{roleARN: {ADMIN}, username: u}}]\n"
    said = authd("migrate", "--from", source, "--file", "-", "--to", "crd", "--dry-run", given=given, code=2).stderr
    assert said == "authd: standard input has more than 8 MiB: give it in parts\n"


UNTIL = "2030-12-31T18:00:00Z"


@pytest.mark.parametrize("place", ["aws-auth", "crd"])
def test_times(server, authd, tmp_path, place):
    """A mapping is added, listed and copied with its times."""
    add_alice(authd, "--in", place, "--prompt=false", "--valid-from", "2030-01-01", "--valid-until", UNTIL)
    listed = authd("list", "--in", place).stdout
    assert f"{ALICE}  alice  a,b  validFrom 2030-01-01  validUntil {UNTIL}  (" in listed
    (rule,) = json.loads(authd("list", "--in", place, "-o", "json").stdout)
    assert (rule["validFrom"], rule["validUntil"]) == ("2030-01-01", UNTIL)
    other = "crd" if place == "aws-auth" else "aws-auth"
    authd("migrate", "--from", place, "--to", other, "--prompt=false")
    assert f"validUntil {UNTIL}" in authd("list", "--in", other).stdout
    printed = authd("migrate", "--from", other, "--to", "file").stdout
    (tmp_path / "config.yaml").write_text("clusterID: c\n" + printed)
    assert f"validUntil: '{UNTIL}'" in printed
    output = authd("explain", "-c", str(tmp_path / "config.yaml"), ALICE, "--at", "2030-06-01", cluster=False).stdout
    assert f"validUntil    {UNTIL}" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--valid-until", "tomorrow"], "validUntil must be a time in UTC, such as 2030-12-31T18:00:00Z"),
        (["--valid-from", "2031-01-01", "--valid-until", "2030-01-01"], "validUntil must be after validFrom"),
    ],
)
def test_wrong_times(server, authd, arguments, message):
    """A wrong time is an error, and nothing is changed."""
    assert message in add_alice(authd, "--prompt=false", *arguments, code=2).stderr
    assert server.get(CONFIG_MAPS, "aws-auth") is None


def test_an_old_definition_of_the_custom_resource(server, authd):
    """If the API server drops the end of a mapping, the mapping is deleted again."""

    def drop(connection) -> bool:
        content = json.loads(connection.body)
        del content["spec"]["validUntil"]
        connection.answer(201, server.put(IDENTITIES, content["metadata"]["name"], spec=content["spec"]))
        return False

    server.faults += [lambda _: True, drop]
    run = add_alice(authd, "--in", "crd", "--prompt=false", "--valid-until", UNTIL, code=2)
    assert "the API server dropped validUntil, so nothing was created: the cluster's definition" in run.stderr
    assert authd("list", "--in", "crd").stdout == ""
    refusal = status(400, "BadRequest", 'strict decoding error: unknown field "spec.validUntil"')
    server.faults += [lambda _: True, lambda connection: connection.answer(400, refusal)]
    run = add_alice(authd, "--in", "crd", "--prompt=false", "--valid-until", UNTIL, code=2)
    assert "apply deploy/kubernetes/crd.yaml first" in run.stderr
    server.faults += [lambda _: True, lambda connection: connection.answer(403, status(403, "Forbidden", "no"))]
    run = add_alice(authd, "--in", "crd", "--prompt=false", "--valid-until", UNTIL, code=2)
    assert "the API server answered 403" in run.stderr


def test_permission_sets(server, authd):
    """A permission set can be mapped in a custom resource and in aws-auth, and is found with its keys in any order."""
    sso = "permissionSetName=Dev,accountID=111122223333"
    arguments = ["add", "role", "--sso", sso, "--username", "dev", "--prompt=false"]
    authd(*arguments, "--in", "crd")
    (content,) = server.get_all(IDENTITIES)
    assert content["metadata"]["name"].startswith("sso-dev-")
    assert content["spec"]["sso"] == {"permissionSetName": "Dev", "accountID": "111122223333"}
    assert "is mapped already" in authd(*arguments, "--in", "crd", code=2).stderr
    authd("migrate", "--from", "crd", "--to", "aws-auth", "--prompt=false")
    assert "permissionSetName: Dev" in data(server)["mapRoles"]
    sorted_keys = {"accountID": "111122223333", "permissionSetName": "Dev"}
    server.put(IDENTITIES, content["metadata"]["name"], spec={"sso": sorted_keys, "username": "dev"})
    assert "nothing to change" in authd("migrate", "--from", "aws-auth", "--to", "crd", "--prompt=false").stdout


def interrupted(arguments, number, wait):
    """Start a command, call `wait`, send the signal, and return the exit status and standard error."""
    command = [sys.executable, "-m", "authd.cli.main", *arguments]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child of a background shell would ignore it
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        signal.signal(signal.SIGINT, before)
        wait(process)
        process.send_signal(number)
        process.wait(timeout=60)  # standard input stays open
        return process.returncode, process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_question(number, server, tmp_path):
    """A signal ends a command that waits for an answer, and nothing is changed."""

    def wait(process):
        while process.stderr.read(1) != "?":
            pass

    flags = ["--userarn", ALICE, "--username", "alice", "--kubeconfig", str(server.kubeconfig(tmp_path))]
    code, said = interrupted(["add", "user", *flags], number, wait)
    assert (code, said) == (130 if number == signal.SIGINT else -number, " [y/N] ")
    assert server.get(CONFIG_MAPS, "aws-auth") is None


def test_ctrl_c_during_a_call(server, tmp_path):
    """Ctrl-C during a call to the API server ends a command with 130 and without a message."""
    called, release = threading.Event(), threading.Event()

    def stall(_request):
        called.set()
        release.wait(60)

    server.faults.append(stall)
    code = interrupted(
        ["list", "--kubeconfig", str(server.kubeconfig(tmp_path))], signal.SIGINT, lambda _process: called.wait(60)
    )
    release.set()
    assert code == (130, "")
