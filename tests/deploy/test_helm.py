from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml

from authd import __version__
from authd.config.load import load_settings
from authd.partition_data import load_partitions
from tests.deploy.pod_security import violations

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "authd"
ROLE = "arn:aws:iam::111122223333:role/KubernetesAdmin"
VALUES = {
    "clusterID": "c",
    "mapRoles": [{"roleARN": ROLE, "username": "admin:{{SessionName}}", "groups": ["system:masters"]}],
    "mapAccounts": ["111122223333"],
    "server": {"sts": {"timeout": "3s"}},
}
ALLOWED = {"hostNetwork", "authd: hostPort", "authd: probe host", "hostPath state"}


@pytest.fixture
def render(helm, tmp_path):
    """Return a function that renders the chart with values. It returns the objects by kind."""

    def template(**values):
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump({**VALUES, **values}))
        ended = helm("template", "authd", str(CHART), "--namespace", "authd", "--values", str(file))
        assert ended.returncode == 0, ended.stderr
        return {entry["kind"]: entry for entry in yaml.safe_load_all(ended.stdout) if entry}

    return template


def test_versions():
    """The chart has authd's version."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"] == chart["name"]


def test_lint(helm, tmp_path):
    """`helm lint --strict` passes."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(VALUES))
    ended = helm("lint", "--strict", str(CHART), "--values", str(file))
    assert ended.returncode == 0, ended.stdout


def test_settings(render):
    """Values become settings that load without a warning."""
    text = render()["ConfigMap"]["data"]["config.yaml"]
    loaded = load_settings(text.encode(), file="config.yaml", partitions=load_partitions())
    assert loaded.warnings == ()
    assert loaded.settings.cluster_id == "c"
    assert loaded.settings.kubeconfig_pregenerated
    assert loaded.settings.sts.timeout == 3
    assert ROLE in text


def test_the_pod_equals_the_example(render):
    """With the default values, the chart's pod is that of example.yaml."""
    objects = {entry["kind"]: entry for entry in yaml.safe_load_all((ROOT / "example.yaml").read_text())}
    wanted = objects["DaemonSet"]["spec"]["template"]["spec"]
    made = render()["DaemonSet"]["spec"]["template"]["spec"]
    assert made == wanted


def test_without_a_cluster_id(helm):
    """A missing cluster ID is an error that names the option."""
    ended = helm("template", "authd", str(CHART))
    assert ended.returncode == 1
    assert "--set clusterID=my-cluster.example.com" in ended.stderr


def test_wrong_values(helm):
    """The schema refuses unknown names and invalid values."""
    for value in ("clusterId=c", "runAsUser=0", "image.digest=abc", "hostPaths.state=relative"):
        assert helm("template", "authd", str(CHART), "--set", f"clusterID=c,{value}").returncode == 1


def test_pod_security(render):
    """Without the init container the pod is `restricted` except for the host network and one hostPath."""
    pod = render(init={"enabled": False})["DaemonSet"]["spec"]["template"]["spec"]
    assert set(violations(pod)) == ALLOWED


def test_aws_auth(render):
    """The permission to read aws-auth is granted only with its backend."""
    assert "Role" not in render()
    objects = render(awsAuth={"enabled": True})
    assert objects["Role"]["rules"][0]["resourceNames"] == ["aws-auth"]
    assert objects["DaemonSet"]["spec"]["template"]["spec"]["automountServiceAccountToken"] is True
    settings = yaml.safe_load(objects["ConfigMap"]["data"]["config.yaml"])
    assert settings["server"]["backendMode"] == ["MountedFile", "EKSConfigMap"]


def test_other_users_and_images(render):
    """User, digest and folders are applied wherever they are needed."""
    digest = f"sha256:{'0' * 64}"
    pod = render(
        runAsUser=10000,
        image={"repository": "registry.example.com/authd", "digest": digest},
        hostPaths={"state": "/srv/authd", "kubeconfig": "/srv/kubeconfig"},
    )["DaemonSet"]["spec"]["template"]["spec"]
    (init,), (daemon,) = pod["initContainers"], pod["containers"]
    assert init["image"] == daemon["image"] == f"registry.example.com/authd@{digest}"
    assert "chown -R 10000:10000 " in init["args"][0]
    assert daemon["securityContext"]["runAsUser"] == 10000
    assert [volume["hostPath"]["path"] for volume in pod["volumes"][1:]] == ["/srv/authd", "/srv/kubeconfig"]


def test_large_user_ids(render):
    """Helm reads numbers of a values file as floats. A large user ID is still written in digits."""
    pod = render(runAsUser=1000660000)["DaemonSet"]["spec"]["template"]["spec"]
    assert "chown -R 1000660000:1000660000 " in pod["initContainers"][0]["args"][0]
    security = pod["containers"][0]["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"]) == (1000660000, 1000660000)


def test_other_ports(render):
    """The ports of the settings are those of the pod, which its probes name."""
    pod = render(server={"port": 31362, "healthPort": 31363})["DaemonSet"]["spec"]["template"]["spec"]
    ports = {port["name"]: (port["containerPort"], port["hostPort"]) for port in pod["containers"][0]["ports"]}
    assert ports == {"webhook": (31362, 31362), "health": (31363, 31363)}


def test_an_existing_config_map(render):
    """The daemon writes no webhook kubeconfig, even if the settings of the ConfigMap don't say so."""
    objects = render(existingConfigMap="mine", clusterID="")
    assert "ConfigMap" not in objects
    pod = objects["DaemonSet"]["spec"]["template"]["spec"]
    assert pod["volumes"][0]["configMap"] == {"name": "mine"}
    assert pod["containers"][0]["args"] == ["--config", "/etc/authd/config.yaml", "--kubeconfig-pregenerated"]
