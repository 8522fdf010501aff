"""Sessions of a role of the emulator."""

from __future__ import annotations

import botocore.session

from authd.emulator.directory.sample import ALICE_KEY
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.minting import Key


def assume(emulator: EmulatorProcess, role: str, count: int) -> list[Key]:
    """Assume a role as Alice, with several session names. Returns the sessions' credentials."""
    client = botocore.session.Session().create_client(
        "sts",
        region_name="us-east-1",
        endpoint_url=f"https://localhost:{emulator.port}",
        verify=emulator.ca,
        aws_access_key_id=ALICE_KEY[0],
        aws_secret_access_key=ALICE_KEY[1],
    )
    given = (client.assume_role(RoleArn=role, RoleSessionName=f"session-{n}")["Credentials"] for n in range(count))
    return [(each["AccessKeyId"], each["SecretAccessKey"], each["SessionToken"]) for each in given]
