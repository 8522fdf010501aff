from __future__ import annotations

import pytest
import yaml

from tests.guides.rig.kops import KOPS, check


def test_the_addon_has_memory(tmp_path):
    """The addon's pods have the memory of the example, and arguments that authd accepts."""
    objects = list(yaml.safe_load_all(check(KOPS / "cluster-managed.yaml", tmp_path)["addon"]))
    (daemonset,) = [each for each in objects if each and each["kind"] == "DaemonSet"]
    (container,) = daemonset["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/authd:0.1.0"
    assert container["resources"]["limits"]["memory"] == "256Mi"
    assert "--backend-mode=CRD" in container["args"]


def test_unknown_fields(tmp_path):
    """The types of kops refuse an unknown field."""
    part = tmp_path / "part.yaml"
    part.write_text("spec: {authentication: {aws: {bakendMode: CRD}}}\n")
    with pytest.raises(AssertionError, match="bakendMode"):
        check(part, tmp_path)
