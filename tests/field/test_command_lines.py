"""Command lines from the field, under every name by which the daemon is started."""

from __future__ import annotations

import subprocess

import pytest

from tests.integration.rig.minting import script

#: What precedes the arguments: twistd of a unit, the container's entry point, and the names of the other program.
WAYS = {
    "twistd": ("twistd", "--nodaemon", "--pidfile=", "authd"),
    "authd": ("authd",),
    "aws-iam-authenticator": ("aws-iam-authenticator",),
    "heptio-authenticator-aws": ("heptio-authenticator-aws",),
}
LISTENING = "listening on https://"


@pytest.fixture(scope="session")
def links(tmp_path_factory):
    """Return a folder with the links that `authd install-links` makes."""
    folder = tmp_path_factory.mktemp("links")
    subprocess.run([script("authd"), "install-links", str(folder)], check=True, timeout=60)
    return folder


@pytest.fixture
def begin(start, links):
    """Start the daemon under one of the names."""

    def begin_so(way, *arguments, environment=None):
        program = "" if way in {"twistd", "authd"} else str(links / way)
        return start(*WAYS[way], *arguments, environment=environment, program=program)

    return begin_so


def has_logged(daemon, part):
    return any(part in event["message"] for event in daemon.events())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", ["g20-bool-with-value", "g21-server-word", "g38-bool-false"])
def test_flags_in_their_spelling(begin, fill, tmp_path, way, case):
    """Every program name accepts each spelling of the flags. Pregenerated kubeconfigs are not written."""
    daemon = begin(way, *fill(f"{case}.args"))
    daemon.wait_for_message(LISTENING)
    written = case != "g20-bool-with-value"
    if way in {"twistd", "authd"} or "generate-kubeconfig" in " ".join(fill(f"{case}.args")):
        assert (tmp_path / "state" / "k.yaml").exists() == written
    assert not has_logged(daemon, "no effect")


@pytest.mark.parametrize("way", ["twistd", "authd"])
@pytest.mark.parametrize(
    ("case", "named"),
    [
        ("g23-feature-gates", "--feature-gates=IAMIdentityMappingCRD=true"),
    ],
)
def test_flags_without_effect(begin, fill, way, case, named):
    """One warning lists the flags without effect."""
    daemon = begin(way, *fill(f"{case}.args"))
    daemon.wait_for_message(LISTENING)
    (warning,) = [event for event in daemon.events() if "no effect" in event["message"]]
    assert (warning["level"], warning["message"]) == ("warn", f"these arguments have no effect: {named}")


def test_the_log_level(begin, fill):
    """The log level takes effect."""
    daemon = begin("authd", *fill("g22-log-verbosity.args"))
    daemon.wait_for_message(LISTENING)
    assert not has_logged(daemon, "no effect")


@pytest.mark.parametrize("way", ["twistd", "authd", "aws-iam-authenticator"])
def test_the_cluster_by_the_environment(begin, tmp_path, way):
    """aws-iam-authenticator's environment variable gives the cluster ID, with and without a settings file."""
    variable = {"KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID": "c1"}
    file = tmp_path / "without-cluster.yaml"
    file.write_text("server:\n  mapAccounts: '111122223333'\n")
    flags = (f"--state-dir={tmp_path / 'state'}", f"--generate-kubeconfig={tmp_path / 'k.yaml'}")
    begin(way, "server", f"--config={file}", *flags, environment=variable).wait_for_message(LISTENING)
    daemon = begin(way, "server", *flags, environment=variable)
    daemon.wait_for_message(LISTENING)
    assert has_logged(daemon, "nobody can log in")


@pytest.mark.parametrize("flag", ["--cluster-id=c1", "-ic1"])
def test_no_settings_file(begin, tmp_path, flag):
    """With the cluster's ID as a flag, no settings file is needed."""
    flags = (f"--state-dir={tmp_path / 'state'}", f"--generate-kubeconfig={tmp_path / 'k.yaml'}")
    begin("authd", "server", flag, *flags).wait_for_message(LISTENING)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--confg=/f"], "unknown flag --confg: did you mean --config?"),
        (["--kubeconfig-pregenerated=maybe"], "--kubeconfig-pregenerated takes true or false, not 'maybe'"),
        (["--port"], "--port needs a value"),
        (["-config", "/f"], "did you mean --config?"),
    ],
)
@pytest.mark.parametrize("program", ["authd", "aws-iam-authenticator"])
def test_wrong_flags_are_one_sentence(links, program, arguments, message):
    """A wrong command line prints one sentence to standard error."""
    path = script("authd") if program == "authd" else str(links / program)
    command = [path, "server", *arguments]
    if arguments == ["-config", "/f"]:
        command = [path, "server", "--confi", "/f"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == (2 if program == "authd" else 1)
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_sources_in_the_cluster(begin, fill, tmp_path):
    """With sources in an unreachable cluster, the daemon runs and /readyz names the missing source."""
    kubeconfig = tmp_path / "admin.yaml"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "contexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a, user: {token: t}}]\n"
    )
    daemon = begin("authd", *fill("g24-aws-auth-backend.args"), f"--kubeconfig={kubeconfig}")
    event = daemon.wait_for_message(LISTENING)
    daemon.port, daemon.health_port = event["port"], event["health_port"]
    answer = daemon.health("/readyz")
    assert answer.status == 503
    assert b"EKSConfigMap" in answer.body
    daemon.wait_for_message("no connection to the API server")
    lines = daemon.health("/metrics").body.decode().splitlines()
    counted = dict(line.rsplit(" ", 1) for line in lines if line.startswith("aws_iam_authenticator_"))
    assert float(counted["aws_iam_authenticator_configmap_watch_failures_total"]) >= 1
    assert float(counted["aws_iam_authenticator_dynamicfile_failures_total"]) == 0
