"""Every manifest conforms to the schemas of the three newest Kubernetes releases, without unknown fields.

The schemas are those of kubernetes-validate, generated from each release's OpenAPI document.
"""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import kubernetes_validate.utils
import pytest
import yaml

from tests.deploy.test_helm import CHART, VALUES
from tests.deploy.test_kustomize import OVERLAYS

ROOT = Path(__file__).parents[2]
VERSIONS = [".".join(version.split(".")[:2]) for version in kubernetes_validate.utils.all_versions()]
RELEASES = list(dict.fromkeys(VERSIONS))[-3:]
#: The chart's variants. Together they enable every option.
VARIANTS = {
    "defaults": {},
    "aws-auth": {"awsAuth": {"enabled": True}, "podAnnotations": {"a": "b"}, "podLabels": {"c": "d"}},
    "without init": {"init": {"enabled": False}, "extraEnv": [{"name": "AWS_REGION", "value": "eu-west-1"}]},
    "other image": {"image": {"digest": f"sha256:{'0' * 64}"}, "imagePullSecrets": [{"name": "pull"}]},
    "tolerations": {"extraTolerations": [{"key": "k", "operator": "Exists"}], "existingConfigMap": "mine"},
}


def check(objects):
    """Assert that each object conforms to each release's schema."""
    assert objects
    for each in objects:
        for release in RELEASES:
            # An unknown release would silently be validated as the previous one.
            assert kubernetes_validate.validate(each, release, strict=True) == release


def manifests():
    """Return the files with built-in kinds that are applied unchanged."""
    # CustomResourceDefinition v1beta1, for old clusters, was removed in Kubernetes 1.22.
    files = [path for path in (ROOT / "deploy" / "kubernetes").glob("*.yaml") if path.name != "crd-lenient.yaml"]
    return [ROOT / "example.yaml", *sorted(files)]


def test_the_releases():
    """The schemas are of three consecutive releases, none older than the API server of the e2e tests."""
    minors = [int(release.removeprefix("1.")) for release in RELEASES]
    assert minors == list(range(minors[0], minors[0] + 3))
    assert minors[-1] >= 37


@pytest.mark.parametrize("file", manifests(), ids=lambda file: file.name)
def test_manifests(file):
    """Plain manifests conform."""
    check([each for each in yaml.safe_load_all(file.read_text()) if each])


@pytest.mark.parametrize("folder", ["base", *(f"overlays/{name}" for name in OVERLAYS)])
def test_kustomizations(kustomize, folder):
    """The kustomize base and each overlay conform."""
    check(kustomize(folder).values())


@pytest.mark.parametrize("variant", VARIANTS)
def test_chart(helm, tmp_path, variant):
    """The chart conforms in each variant."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({**VALUES, **VARIANTS[variant]}))
    rendered = helm("template", "authd", str(CHART), "--namespace", "authd", "--values", str(file))
    assert rendered.returncode == 0, rendered.stderr
    check([each for each in yaml.safe_load_all(rendered.stdout) if each])


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("name", "value"), [("hostNetwrok", True), ("hostNetwork", "yes"), ("terminationGracePeriodSeconds", "40s")]
)
def test_errors_are_detected(release, name, value):
    """An unknown field and a wrong type are refused."""
    (daemon_set,) = (
        each for each in yaml.safe_load_all((ROOT / "example.yaml").read_text()) if each["kind"] == "DaemonSet"
    )
    daemon_set["spec"]["template"]["spec"][name] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(daemon_set, release, strict=True)
