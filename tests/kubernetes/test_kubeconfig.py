"""Kubeconfig files and the other methods of finding the API server."""

from __future__ import annotations

import base64

import pytest

from authd.core.errors import ConfigError
from authd.kubernetes.discovery import find_cluster
from authd.kubernetes.kubeconfig import load_kubeconfig, read_kubeconfig
from authd.kubernetes.server_url import parse_server

TEXT = """\
apiVersion: v1
kind: Config
current-context: main
preferences: {}
clusters:
- name: c1
  cluster:
    server: https://api.example:6443/k8s/c1
    certificate-authority-data: Q0E=
- name: c2
  cluster:
    server: https://[fd00::1]
    insecure-skip-tls-verify: false
contexts:
- name: main
  context: {cluster: c1, user: admin, namespace: ops}
- name: second
  context: {cluster: c2, user: node}
users:
- name: admin
  user:
    token: s3cret
- name: node
  user:
    client-certificate: pki/node.crt
    client-key: /abs/node.key
"""


def read(text=TEXT, **kwargs):
    return read_kubeconfig(text.encode(), file="/etc/k/config", **kwargs)


def test_current_context():
    """The current context determines the cluster and the user."""
    access = read()
    assert (access.url, access.namespace) == ("https://api.example:6443/k8s/c1", "ops")
    assert access.ca.read() == b"CA"
    assert access.token.read() == b"s3cret"
    assert access.certificate is None
    assert "s3cret" not in repr(access)


def test_other_context():
    """Another context is chosen by its name. Files are relative to the kubeconfig's folder."""
    access = read(context="second")
    assert access.url == "https://[fd00::1]:443"
    assert (access.certificate.file, access.key.file) == ("/etc/k/pki/node.crt", "/abs/node.key")
    assert (access.ca, access.token) == (None, None)


def test_a_linked_kubeconfig(tmp_path):
    """Files are relative to the folder of a symbolic link, as for kubectl: a mounted Secret's own folder is replaced."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "config").write_text(TEXT)
    (tmp_path / "config").symlink_to("data/config")
    access = load_kubeconfig(str(tmp_path / "config"), context="second")
    assert access.certificate.file == str(tmp_path / "pki" / "node.crt")


def test_server_replaced():
    """A given address replaces the cluster's."""
    assert read(server="https://10.0.0.1:8443").url == "https://10.0.0.1:8443"


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("current-context: main\n", "", "1:1", "current-context is missing"),
        ("current-context: main", "current-context: nix", "15:1", "no entry named nix"),
        ("user: admin", "user: nobody", "20:1", "users has no entry named nobody"),
        ("token: s3cret", "exec: {command: aws}", "22:11", "exec plugins are not supported"),
        ("token: s3cret", "auth-provider: {name: gcp}", "22:20", "auth-provider plugins are not supported"),
        ("token: s3cret", "username: root", "22:15", "Kubernetes has dropped passwords"),
        ("token: s3cret", "client-key: x", "22:5", "belong together"),
        ("token: s3cret", "token: [1]", "22:12", "must be a single value"),
        ("token: s3cret", "as: root", "22:9", "impersonation"),
        ("server: https://api.example:6443/k8s/c1", "insecure-skip-tls-verify: true", "8:31", "always verified"),
        ("server: https://api.example:6443/k8s/c1", "proxy-url: http://p", "8:16", "a proxy"),
        ("server: https://api.example:6443/k8s/c1", "x: y", "8:5", "server is missing"),
        ("https://api.example:6443/k8s/c1", "http://api.example", "8:13", "plain http is refused"),
        ("Q0E=", "'***'", "9:33", "is not base64"),
        ("clusters:", "clusters: [", "6:1", "not YAML"),
    ],
)
def test_errors(old, new, place, message):
    """An error has a place and a next step."""
    with pytest.raises(ConfigError) as caught:
        read(TEXT.replace(old, new))
    assert f"/etc/k/config:{place}: " in str(caught.value)
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "7", "[]", "clusters: 7\ncurrent-context: x"])
def test_no_kubeconfig(text):
    """Any other content is a `ConfigError`."""
    with pytest.raises(ConfigError):
        read(text)


@pytest.mark.parametrize(
    "text",
    ["ftp://x", "https://", "https://u@h", "https://h:0", "https://h:99999", "https://h/?a", "https://h h", "h:x"],
)
def test_bad_addresses(text):
    """Anything but the address of an API server is refused."""
    with pytest.raises(ValueError, match="not the address"):
        parse_server(text)


def test_in_cluster(tmp_path):
    """In a pod, the files of the service account and the service's variables are used."""
    for name in ("token", "ca.crt"):
        (tmp_path / name).write_text(name)
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    access = find_cluster(environment=environment, service_account=str(tmp_path))
    assert access.url == "https://[fd00::1]:6443"
    assert (access.token.read(), access.ca.read(), access.namespace) == (b"token", b"ca.crt", "default")
    (tmp_path / "token").write_text("new")
    (tmp_path / "namespace").write_text("kube-system\n")
    assert access.token.read() == b"new"
    other = find_cluster(environment={}, service_account=str(tmp_path), master="https://10.1.1.1")
    assert (other.url, other.namespace) == ("https://10.1.1.1:443", "kube-system")
    (tmp_path / "token").unlink()
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        access.token.read()


def test_nothing_to_find(tmp_path):
    """Without a kubeconfig and outside a pod, the error names the setting."""
    with pytest.raises(ConfigError, match=r"server\.kubeconfig: it is not set"):
        find_cluster(environment={}, service_account=str(tmp_path))
    (tmp_path / "token").write_text("t")
    with pytest.raises(ConfigError, match=r"server\.master: it is not the address"):
        find_cluster(environment={}, service_account=str(tmp_path), master="ftp://x")


def test_kubeconfig_first(tmp_path):
    """A kubeconfig file has priority, and an unreadable one is an error."""
    with pytest.raises(ConfigError, match="the kubeconfig can't be read"):
        find_cluster(kubeconfig=str(tmp_path / "none"), environment={})
    ca = base64.b64encode(b"pem").decode()
    (tmp_path / "config").write_text(TEXT.replace("Q0E=", ca))
    access = find_cluster(kubeconfig=str(tmp_path / "config"), master="https://10.0.0.9", environment={})
    assert (access.host, access.ca.read()) == ("10.0.0.9", b"pem")


PLUGIN_EXTENSION = "client.authentication.k8s.io/exec"
EXEC = """{command: aws, args: [eks, get-token], env: [{name: A, value: b}], apiVersion: client.authentication.k8s.io/v1}"""


def test_plugins_of_commands():
    """Commands may run the plugin, and its token is the credential."""
    seen = []
    access = read(TEXT.replace("token: s3cret", f"exec: {EXEC}"), run_plugin=lambda plugin: seen.append(plugin) or "t0")
    assert access.token.read() == b"t0"
    (plugin,) = seen
    assert plugin.command == ("aws", "eks", "get-token")
    assert plugin.environment == {"A": "b"}
    assert plugin.api_version == "client.authentication.k8s.io/v1"


def test_plugins_that_need_the_cluster():
    """A plugin with `provideClusterInfo` gets the cluster and the configuration in its extension, as from kubectl."""
    seen = []
    extension = "{ClusterID: prod, Regions: [eu-west-1, 'null', ~], Port: 443, FIPS: true, Quoted: '1'}"
    extensions = f"[{{name: other, extension: {{a: b}}}}, {{name: {PLUGIN_EXTENSION}, extension: {extension}}}]"
    text = TEXT.replace("token: s3cret", "exec: {command: authd-token, provideClusterInfo: true}").replace(
        "    certificate-authority-data: Q0E=",
        f"    certificate-authority-data: Q0E=\n    tls-server-name: api\n    extensions: {extensions}",
    )
    read(text, run_plugin=lambda plugin: seen.append(plugin) or "t0")
    assert seen[0].cluster == {
        "server": "https://api.example:6443/k8s/c1",
        "tls-server-name": "api",
        "certificate-authority-data": "Q0E=",
        "config": {
            "ClusterID": "prod",
            "Regions": ["eu-west-1", "null", None],
            "Port": 443,
            "FIPS": True,
            "Quoted": "1",
        },
    }


def test_the_cluster_is_described_only_if_it_is_asked_for():
    """Without `provideClusterInfo`, a plugin gets no cluster. Without an extension, there is no configuration."""
    seen = []
    for setting in ("", ", provideClusterInfo: false", ", provideClusterInfo: true"):
        read(
            TEXT.replace("token: s3cret", f"exec: {{command: authd-token{setting}}}").replace(
                "    certificate-authority-data: Q0E=\n", ""
            ),
            run_plugin=lambda plugin: seen.append(plugin) or "t0",
        )
    assert [plugin.cluster for plugin in seen] == [None, None, {"server": "https://api.example:6443/k8s/c1"}]


@pytest.mark.parametrize(
    ("command", "path"),
    [("./aws", "/etc/k/aws"), ("bin/aws", "/etc/k/bin/aws"), ("/bin/aws", "/bin/aws"), ("aws", "aws")],
)
def test_path_of_a_plugin(command, path):
    """A plugin's path is relative to the kubeconfig's folder, as for kubectl. A bare name is looked up in PATH."""
    seen = []
    read(
        TEXT.replace("token: s3cret", f"exec: {{command: {command}}}"),
        run_plugin=lambda plugin: seen.append(plugin) or "t0",
    )
    assert seen[0].command == (path,)


def test_plugin_without_a_command():
    """A plugin without a command is an error."""
    with pytest.raises(ConfigError, match="22:11: exec has no command"):
        read(TEXT.replace("token: s3cret", "exec: {args: [x]}"), run_plugin=lambda _: "")
