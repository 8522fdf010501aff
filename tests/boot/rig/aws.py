"""AWS in the machine: an STS that verifies signatures, under STS's real names and trusted by the machine.

So settings, units and clients are those of a real node.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from authd.emulator.throwaway_ca import USUAL_HOSTS, make_throwaway
from tests.boot.rig.machine import Machine

ACCOUNT = "111122223333"
_FOLDER = "/root/aws"
_CA = f"{_FOLDER}/ca.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An IAM user with its access key."""

    name: str
    key_id: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables for an AWS client."""
        return {
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
            "AWS_CA_BUNDLE": _CA,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


ALICE = Person(name="alice", key_id="AKIABOOTTESTALICE000", secret="alice/secret+key/of+the+boot+test/000000")
STRANGER = Person(name="mallory", key_id="AKIABOOTTESTMALLORY0", secret="mallo/secret+key/of+the+boot+test/000000")


def start_sts(machine: Machine, python: str) -> None:
    """Start the STS with an interpreter that has authd. The machine resolves its names to it and trusts its CA."""
    people = [
        {"account": ACCOUNT, "name": each.name, "accessKeys": [{"id": each.key_id, "secret": each.secret}]}
        for each in (ALICE, STRANGER)
    ]
    role = {"account": ACCOUNT, "name": "KubernetesAdmin", "trusts": [f"arn:aws:iam::{ACCOUNT}:user/{ALICE.name}"]}
    made = make_throwaway()
    files = {
        "directory.json": json.dumps({"users": people, "roles": [role]}).encode(),
        "ca.pem": made.authority_pem,
        "certificate.pem": made.certificate_pem,
        "key.pem": made.key_pem,
    }
    folder = machine.root / _FOLDER.lstrip("/")
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    options = f"--directory {_FOLDER}/directory.json --certificate {_FOLDER}/certificate.pem --key {_FOLDER}/key.pem"
    machine.add_service("sts", f"{python} -m authd.emulator --port 443 {options}")
    names = " ".join(name for name in USUAL_HOSTS if name.startswith("sts."))
    machine.run(
        f"""
        echo 127.0.0.1 {names} >>/etc/hosts
        cp {_CA} /usr/local/share/ca-certificates/sts.crt
        update-ca-certificates >/dev/null 2>&1
        """
    )
