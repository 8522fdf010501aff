from __future__ import annotations

import difflib

import pytest
import yaml

from authd.cli.bootstrap.static_pod import StaticPod
from authd.core.errors import ConfigError

FLAGS = {
    "authentication-token-webhook-config-file": "/etc/kubernetes/authd/kubeconfig.yaml",
    "authentication-token-webhook-version": "v1",
}
FOLDER = "/etc/kubernetes/authd"
KUBEADM = """\
apiVersion: v1
kind: Pod
metadata:
  name: kube-apiserver   # written by kubeadm
  namespace: kube-system
spec:
  containers:
  - command:
    - kube-apiserver
    - --advertise-address=192.0.2.1
    - --tls-cert-file=/etc/kubernetes/pki/apiserver.crt   # ours
    image: registry.k8s.io/kube-apiserver:v1.34.1
    name: kube-apiserver
    volumeMounts:
    - mountPath: /etc/ssl/certs
      name: ca-certs
      readOnly: true
  hostNetwork: true
  volumes:
  - hostPath:
      path: /etc/ssl/certs
      type: DirectoryOrCreate
    name: ca-certs
status: {}
"""
#: Lists indented below their key, flags in `args`, no volumes, and a second container.
OTHER = """\
spec:
    hostNetwork: true
    containers:
      - name: kube-apiserver
        image: registry.example.com/kube-apiserver
        command:
          - /usr/local/bin/kube-apiserver
        args:
          - --v=2
          - "--authentication-token-webhook-version=v1beta1"
      - name: healthcheck
        image: registry.example.com/healthcheck
"""
#: Another program starts kube-apiserver, as in the manifests of kops.
RUNNER = """\
spec:
  containers:
  - args:
    - --log-file=/var/log/kube-apiserver.log
    - --also-stdout
    - /usr/local/bin/kube-apiserver
    - --cert-dir=/srv/kubernetes/kube-apiserver
    command:
    - /go-runner
    name: kube-apiserver
"""


def patched(text):
    return StaticPod(text=text, file="m.yaml").with_webhook(FLAGS, FOLDER)


def pod(text):
    return yaml.safe_load(text)["spec"]


@pytest.mark.parametrize("text", [KUBEADM, OTHER, KUBEADM.rstrip("\n")])
def test_flags_and_mount(text):
    """The flags are added once, and the node's folder is mounted read-only at the same path."""
    spec = pod(patched(text))
    (container,) = [each for each in spec["containers"] if each["name"] == "kube-apiserver"]
    given = container["command"][1:] + container.get("args", [])
    assert [each for each in given if "webhook" in each] == [f"--{name}={value}" for name, value in FLAGS.items()]
    (mount,) = [each for each in container["volumeMounts"] if each["mountPath"] == FOLDER]
    (volume,) = [each for each in spec["volumes"] if each["name"] == mount["name"]]
    assert mount["readOnly"] is True
    assert volume["hostPath"] == {"path": FOLDER, "type": "Directory"}


@pytest.mark.parametrize("text", [KUBEADM, OTHER])
def test_everything_else_stays(text):
    """Lines are only added, except for a flag of the webhook with another value. Comments and order stay."""
    changes = difflib.ndiff(text.splitlines(), patched(text).splitlines())
    assert [line for line in changes if line.startswith("- ") and "webhook-version" not in line] == []
    assert yaml.safe_load(patched(text)).get("status") == yaml.safe_load(text).get("status")


@pytest.mark.parametrize("text", [KUBEADM, OTHER])
def test_again(text):
    """A second run changes nothing."""
    assert patched(patched(text)) == patched(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "m.yaml:1:1: this is not a pod's manifest"),
        ("spec: [\n", "m.yaml:2:1: this is not YAML"),
        ("kind: Pod\n", "`spec` is missing"),
        ("spec:\n  containers:\n  - name: etcd\n", "m.yaml:2:3: no container kube-apiserver here"),
        ("spec:\n  containers:\n  - name: kube-apiserver\n", "neither `command` nor `args` names kube-apiserver"),
        (
            KUBEADM.replace("volumeMounts:\n", "volumeMounts: [{name: a, mountPath: /a}]\n    x:\n"),
            "not in YAML's block",
        ),
    ],
)
def test_other_files(text, message):
    """Any text that isn't kube-apiserver's manifest is an error with its line and column."""
    with pytest.raises(ConfigError) as caught:
        patched(text)
    assert message in str(caught.value)


def test_flags_of_another_program():
    """If another program starts kube-apiserver, the flags are added after kube-apiserver's name."""
    (container,) = yaml.safe_load(patched(RUNNER))["spec"]["containers"]
    assert container["command"] == ["/go-runner"]
    assert container["args"][:3] == [
        "--log-file=/var/log/kube-apiserver.log",
        "--also-stdout",
        "/usr/local/bin/kube-apiserver",
    ]
    assert container["args"][3:5] == [f"--{name}={value}" for name, value in FLAGS.items()]
    assert patched(patched(RUNNER)) == patched(RUNNER)


@pytest.mark.parametrize(
    "command", ["[/bin/sh, -c, kube-apiserver --v=2]", "\n    - /bin/sh\n    - -c\n    - exec kube-apiserver --v=2"]
)
def test_a_shell(command):
    """A shell script is an error, and is not edited."""
    with pytest.raises(ConfigError, match="add the flags by hand"):
        patched(f"spec:\n  containers:\n  - name: kube-apiserver\n    command: {command}\n")


def test_a_flag_with_its_value_in_the_next_item():
    """The value of a flag may be the next item. It is replaced too, since kube-apiserver refuses other arguments."""
    flag = "    - --authentication-token-webhook-config-file\n    - /etc/kubernetes/old.yaml\n"
    new = patched(KUBEADM.replace("    image:", f"{flag}    image:"))
    assert "old.yaml" not in new
    command = yaml.safe_load(new)["spec"]["containers"][0]["command"]
    assert command[-1] == f"--authentication-token-webhook-config-file={FOLDER}/kubeconfig.yaml"


def test_a_volume_of_another_folder():
    """After a change of the kubeconfig's folder, the old volume would mount the old one, without the kubeconfig."""
    with pytest.raises(ConfigError, match=r"m.yaml:\d+:\d+: the volume authd is not /srv/authd.* with --undo"):
        StaticPod(text=patched(KUBEADM), file="m.yaml").with_webhook(FLAGS, "/srv/authd")


def test_a_flag_among_others_in_a_line():
    """A list in brackets has no line for each flag. It stays, because an edit would break it."""
    text = KUBEADM.replace(
        "    image:", '    args: ["--v=2", "--authentication-token-webhook-version=v1beta1"]\n    image:'
    )
    with pytest.raises(ConfigError, match="webhook-version is not in a line of its own: change it by hand"):
        patched(text)
