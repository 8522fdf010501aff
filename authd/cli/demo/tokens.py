"""Tokens: valid ones from `authd-token`, and hand-made ones that the daemon must deny."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from authd.cli.demo.daemon_process import script
from authd.cli.demo.scenario import CLUSTER_ID, REGION, STS_HOST
from authd.cli.shared.errors import CommandError
from authd.client.fast.sigv4 import sign_get_caller_identity, token_of

_MINT_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Mint:
    """Mints tokens with `authd-token`. The user's AWS configuration has no effect.

    `home` is an empty folder, `sts` the emulator's URL and `sts_ca` the CA of its certificate.
    """

    home: Path
    sts: str
    sts_ca: str

    def environment(self, key: tuple[str, str]) -> Mapping[str, str]:
        """Return the AWS variables that let a command sign with a key and call the emulator."""
        return {
            "AWS_ACCESS_KEY_ID": key[0],
            "AWS_SECRET_ACCESS_KEY": key[1],
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_STS": self.sts,
            "AWS_CA_BUNDLE": self.sts_ca,
        }

    def token(self, key: tuple[str, str], options: Sequence[str] = (), cluster_id: str = CLUSTER_ID) -> str:
        """Run `authd-token`. Raises `CommandError` with its error message."""
        base = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.home)}
        ran = subprocess.run(
            [script("authd-token"), "-i", cluster_id, "--token-only", *options],
            env={**base, **self.environment(key)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_MINT_SECONDS,
            check=False,
        )
        if ran.returncode:
            raise CommandError(f"authd-token failed: {ran.stderr.strip()}")
        return ran.stdout.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class HandSigned:
    """A token that `authd-token` would not make, signed at another time or for another host."""

    key: tuple[str, str] = field(repr=False)
    age: timedelta = timedelta()
    host: str = STS_HOST

    def token(self) -> str:
        """Return the signed token."""
        url = sign_get_caller_identity(
            access_key=self.key[0].encode(),
            secret_key=self.key[1].encode(),
            session_token=b"",
            host=self.host,
            region=REGION,
            cluster_id=CLUSTER_ID.encode(),
            date=(datetime.now(UTC) - self.age).strftime("%Y%m%dT%H%M%SZ"),
        )
        return token_of(url)
