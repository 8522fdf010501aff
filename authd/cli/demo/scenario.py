"""The cluster of the demonstration: the versions of its settings file, and the identities of the emulated STS."""

from __future__ import annotations

from pathlib import Path

from authd.emulator.directory.sample import ACCOUNT

CLUSTER_ID = "demo-cluster"
REGION = "us-east-1"
STS_HOST = f"sts.{REGION}.amazonaws.com"

ADMIN_ROLE = f"arn:aws:iam::{ACCOUNT}:role/Admin"
DEVELOPER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/Developer"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/team/alice"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"

_SETTINGS = """\
clusterID: {cluster_id}
server:
  port: 0               # any free one, so that several demonstrations can run; usually 21362
  healthPort: 0         # usually 21363
  stateDir: {folder}/state
  generateKubeconfig: {folder}/webhook-kubeconfig.yaml
  mapRoles:
  - roleARN: {admin_role}
    username: "admin:{{{{SessionName}}}}"
    groups: [system:masters]
  - roleARN: {developer_role}
    username: "{{{{SessionNameRaw}}}}"
    groups: [developers]
  mapUsers:
  - userARN: {alice}
    username: alice
    groups: [viewers]
  sts:
    endpoints:          # the emulator in place of AWS
    - host: {sts_host}
      connect: 127.0.0.1:{sts_port}
      caFile: {sts_ca}
"""

_BOB = f"""\
  - userARN: {BOB}
    username: bob
    groups: [viewers]
"""


def settings(folder: Path, sts_port: int, sts_ca: str) -> str:
    """Return the first version of the settings."""
    return _SETTINGS.format(
        cluster_id=CLUSTER_ID,
        folder=folder,
        admin_role=ADMIN_ROLE,
        developer_role=DEVELOPER_ROLE,
        alice=ALICE,
        sts_host=STS_HOST,
        sts_port=sts_port,
        sts_ca=sts_ca,
    )


def with_bob(text: str) -> str:
    """Return the settings with one more mapping."""
    return text.replace("  sts:\n", f"{_BOB}  sts:\n")


def with_typo(text: str) -> str:
    """Return the settings with a typo in the last mapping."""
    return text.replace("username: bob", "usrname: bob")
