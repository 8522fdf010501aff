from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

from authd import __version__
from tools.release import pyz, sbom

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: The extras of each file with hashes.
FILES = {"requirements.txt": ("daemon",), "requirements-otel.txt": ("daemon", "otel")}
PINS = {name: sbom.pins((ROOT / name).read_text()) for name in FILES}


def dependencies(file):
    """Return the dependencies that a file must pin."""
    extras = PROJECT["optional-dependencies"]
    return [*PROJECT["dependencies"], *(each for extra in FILES[file] for each in extras[extra])]


def constraints():
    """Return the version of each package of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {sbom.canonical(name): version for name, version in pairs}


@pytest.mark.parametrize(("file", "requirement"), [(file, each) for file in FILES for each in dependencies(file)])
def test_every_dependency_is_pinned(file, requirement):
    """Each file pins each of its dependencies to a version that pyproject.toml allows."""
    wanted = Requirement(requirement)
    versions = {pin.name: pin.version for pin in PINS[file]}
    assert wanted.specifier.contains(versions[sbom.canonical(wanted.name)])


def test_the_extra_only_adds():
    """Both files have the same packages of the daemon."""
    assert set(PINS["requirements.txt"]) < set(PINS["requirements-otel.txt"])


@pytest.mark.parametrize("pin", PINS["requirements-otel.txt"], ids=lambda pin: pin.name)
def test_pins(pin):
    """Each package has hashes, and the version of constraints.txt, with which the tests run."""
    assert pin.hashes
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in pin.hashes)
    assert constraints()[pin.name] == pin.version


@pytest.fixture(scope="module", params=FILES)
def file(request):
    """The name of a file with hashes."""
    return request.param


@pytest.fixture(scope="module")
def single_file(tmp_path_factory):
    """authd-token as a single file, with bytecode for this Python."""
    path = tmp_path_factory.mktemp("pyz") / "authd-token.pyz"
    path.write_bytes(pyz.build([sys.executable])[0])
    return path


@pytest.fixture(scope="module")
def bill(file, single_file, tmp_path_factory):
    """The bill of materials by the tool."""
    output = tmp_path_factory.mktemp("sbom") / "authd.cdx.json"
    subprocess.run([sys.executable, "-m", "tools.release.sbom", output, file, single_file], cwd=ROOT, check=True)
    return output.read_text()


def test_the_bill_is_valid(bill):
    """The bill of materials follows CycloneDX's strict schema."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None


def test_content_of_the_bill(bill, file, single_file):
    """It has authd, each pinned package with a licence and hashes, and no dangling reference."""
    content = json.loads(bill)
    assert content["metadata"]["component"]["version"] == __version__
    *libraries, bundle = content["components"]
    assert [part["name"] for part in libraries] == [pin.name for pin in PINS[file]]
    assert all(part["licenses"] and part["externalReferences"] for part in libraries)
    assert bundle["hashes"][0]["content"] == hashlib.sha256(single_file.read_bytes()).hexdigest()
    assert bundle["properties"] == [{"name": "authd:bytecode", "value": f"CPython-{platform.python_version()}"}]
    known = {part["bom-ref"] for part in libraries}
    own, *others = content["dependencies"]
    assert {sbom.canonical(each) for each in pyz.BUNDLED} == set(sbom.bundled_names(single_file))
    assert len(others[-1]["dependsOn"]) == len(pyz.BUNDLED)
    assert len(own["dependsOn"]) == len(dependencies(file))
    assert {reference for each in (own, *others) for reference in each["dependsOn"]} <= known


def test_the_bill_is_reproducible(bill, file, single_file):
    """Two bills of the same packages are equal."""
    assert sbom.document((ROOT / file).read_text(), single_file) == json.loads(bill)


def test_a_package_of_another_version():
    """If another version is installed, the tool fails with the next step."""
    with pytest.raises(LookupError, match=r"is installed, but requirements\.txt has 0\.1: run `make lock`"):
        sbom.document("attrs==0.1 \\\n    --hash=sha256:" + "0" * 64)
    with pytest.raises(LookupError, match="nonesuch-package is not installed"):
        sbom.document("nonesuch-package==0.1")
