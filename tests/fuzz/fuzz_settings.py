"""Fuzzes settings files: each is loaded, or every problem has a place in the file."""

from __future__ import annotations

import json

import atheris
from targets import ROOT, fuzz

with atheris.instrument_imports(include=["authd"]):
    from authd.config.load import load_settings
    from authd.core.errors import ConfigError
    from authd.partition_data import load_partitions

CORPUS = ROOT / "tests" / "corpus"
PARTITIONS = load_partitions()
EXAMPLE = b"""\
clusterID: c
defaultRole: arn:aws:iam::111122223333:role/Admin
server:
  port: 21362
  hostname: localhost
  stateDir: /var/lib/authd
  partition: aws
  mapRoles:
  - roleARN: arn:aws:iam::111122223333:role/Admin
    username: "admin:{{SessionName}}"
    groups: [system:masters]
  - sso: {permissionSetName: Admin, accountID: "111122223333"}
    username: sso
  mapUsers:
  - {userARN: "arn:aws:iam::111122223333:user/Alice", username: alice}
  mapAccounts: ["012345678901"]
  scrubbedAccounts: ["111122223333"]
  reservedPrefixConfig:
  - {backendMode: MountedFile, usernamePrefixReserveList: ["eks:"]}
  sts:
    timeout: 5s
    proxy: http://127.0.0.1:3128
    endpoints:
    - {host: sts.us-east-1.amazonaws.com, connect: "127.0.0.1:8443"}
"""


def target(text: bytes) -> None:
    """Load the text. Every problem must have a place in it."""
    lines = text.count(b"\n") + text.count(b"\r") + text.count(b"\xc2\x85") + text.count(b"\xe2\x80") + 1
    try:
        problems = load_settings(text, file="f", partitions=PARTITIONS).warnings
    except ConfigError as error:
        problems = error.problems
        assert problems
    for problem in problems:
        assert problem.file == "f"
        assert 0 <= problem.line <= lines + 1
        assert problem.column >= 0
        assert "\n" not in problem.message


def seeds() -> list[bytes]:
    """Return an example, and the corpus's settings, whose JSON is also YAML."""
    found = [EXAMPLE, b"", b"clusterID: c\n", EXAMPLE.replace(b"\n", b"\r\n"), EXAMPLE.decode().encode("utf-16")]
    found += [b"a: &a [1]\nb: *a\n", b"a: !!python/object:x {}\n", b"--- 1\n--- 2\n", b"%YAML 1.1\n---\na: |\n  x\n"]
    for case in json.loads((CORPUS / "mapping.json").read_text())["cases"]:
        found.append(json.dumps({"clusterID": "c", "server": case["input"]["server"]}).encode())
    return found


if __name__ == "__main__":
    fuzz(target, seeds(), max_length=4096)
