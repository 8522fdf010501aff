"""Write a CycloneDX 1.6 bill of materials of the daemon's installation and of authd-token as a single file.

    python -m tools.release.sbom OUTPUT REQUIREMENTS [PYZ]

Names, versions and file hashes come from the requirements file, licences and dependencies from the installed packages.
PYZ is the file of `tools.release.pyz`. Its component has its SHA-256 and the interpreters that compiled its bytecode.
The result is the same for the same input: its serial number is derived from its content.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import uuid
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
#: The packages of an extra are included only if the requirements contain them.
_EXTRAS = ("daemon", "otel")
_REQUIREMENT = re.compile(r"^[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package of requirements.txt with the SHA-256 of each of its files."""

    name: str
    version: str
    hashes: tuple[str, ...]

    @property
    def purl(self) -> str:
        """The package URL, which is also the component's reference."""
        return f"pkg:pypi/{self.name}@{self.version}"


def canonical(name: str) -> str:
    """Return a package's name as PEP 503 normalizes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> list[Pin]:
    """Return every pinned package of a requirements file with hashes, by name."""
    found = list(_PIN.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return sorted(
        (
            Pin(name=canonical(match[1]), version=match[2], hashes=tuple(_HASH.findall(text[match.end() : end])))
            for match, end in zip(found, ends, strict=True)
        ),
        key=lambda pin: pin.name,
    )


def document(text: str, single_file: Path | None = None) -> dict[str, Any]:
    """Return the bill of materials for a requirements file, and for authd-token as a single file.

    Raises `LookupError` if an installed package is missing or has another version.
    """
    known = {pin.name: pin for pin in pins(text)}
    own = Pin(name="authd", version=metadata.version("authd"), hashes=())
    body = {
        "metadata": {"component": _component(own, "application"), "lifecycles": [{"phase": "build"}]},
        "components": [_component(pin, "library") for pin in known.values()],
        "dependencies": [_dependencies(pin, known) for pin in (own, *known.values())],
    }
    if single_file is not None:
        body["components"].append(_single_file(single_file, own.version))
        bundled = [known[name].purl for name in bundled_names(single_file) if name in known]
        body["dependencies"].append({"ref": single_file.name, "dependsOn": bundled})
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1, **body}


def bundled_names(path: Path) -> list[str]:
    """Return the packages in authd-token as a single file, by the metadata in it."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(io.BytesIO(archive.read("packages.zip"))) as packages:
        folders = {name.partition(".dist-info/")[0] for name in packages.namelist() if name.endswith("/METADATA")}
    return sorted(canonical(folder.rpartition("-")[0]) for folder in folders)


def _single_file(path: Path, version: str) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        compilers = archive.read("interpreters.txt").decode().split()
    return {
        "type": "file",
        "bom-ref": path.name,
        "name": path.name,
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
        "properties": [{"name": "authd:bytecode", "value": each} for each in compilers],
    }


def _component(pin: Pin, kind: str) -> dict[str, Any]:
    component: dict[str, Any] = {"type": kind, "bom-ref": pin.purl, "name": pin.name, "version": pin.version}
    if licences := _licences(_installed(pin)):
        component["licenses"] = licences
    if pin.hashes:
        # A component has one hash for each algorithm, so each file of the release is a separate distribution.
        component["externalReferences"] = [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{pin.name}/{pin.version}/#files",
                "hashes": [{"alg": "SHA-256", "content": each}],
            }
            for each in pin.hashes
        ]
    return {**component, "purl": pin.purl}


def _installed(pin: Pin) -> metadata.PackageMetadata:
    try:
        installed = metadata.metadata(pin.name)
    except metadata.PackageNotFoundError:
        raise LookupError(f"{pin.name} is not installed: run `make .venv/installed-test`") from None
    if installed["Version"] != pin.version:
        raise LookupError(
            f"{pin.name} {installed['Version']} is installed, but requirements.txt has {pin.version}: run `make lock`"
        )
    return installed


def _licences(package: metadata.PackageMetadata) -> list[dict[str, Any]]:
    if expression := package.get("License-Expression"):
        return [{"expression": expression}]
    classifiers = [each for each in package.get_all("Classifier") or () if each.startswith("License ::")]
    names = [each.rpartition(" :: ")[2] for each in classifiers] or [package.get("License") or ""]
    return [{"license": {"name": name}} for name in names if name and "\n" not in name]


def _dependencies(pin: Pin, known: dict[str, Pin]) -> dict[str, Any]:
    extras = [f"extra == {quote}{extra}{quote}" for extra in _EXTRAS for quote in "\"'"] if pin.name == "authd" else ()
    needed = set()
    for requirement in metadata.requires(pin.name) or ():
        name = _REQUIREMENT.match(requirement)
        if name and ("extra ==" not in requirement or any(extra in requirement for extra in extras)):
            needed.add(canonical(name[0]))
    return {"ref": pin.purl, "dependsOn": [known[name].purl for name in sorted(needed & known.keys())]}


def main(arguments: list[str]) -> int:
    """Write the bill of materials to the named file."""
    if len(arguments) not in {2, 3}:
        print("usage: python -m tools.release.sbom OUTPUT REQUIREMENTS [PYZ]", file=sys.stderr)
        return 2
    try:
        content = document((ROOT / arguments[1]).read_text("utf-8"), *map(Path, arguments[2:]))
    except LookupError as error:
        print(f"sbom: {error}", file=sys.stderr)
        return 1
    Path(arguments[0]).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
