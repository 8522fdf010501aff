"""Mints tokens by the usual clients: the installed script, the AWS CLI, and botocore's signer."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import botocore.session
from botocore.credentials import Credentials
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from tests.integration.rig.evidence import Evidence

CLUSTER = "prod.example.com"
_PREFIX = "k8s-aws-v1."
_EMITTER = botocore.session.get_session().get_component("event_emitter")

Key = tuple[str, ...]


def script(name: str) -> str:
    """Return the path of a command in the interpreter's folder."""
    path = Path(sys.executable).parent / name
    assert path.exists(), f"{name} is not installed in the test environment"
    return str(path)


def bare_environment(home: Path, **variables: str) -> dict[str, str]:
    """Return an environment without AWS accounts, proxies and service managers."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", **variables}


def credentials_in_environment(key: Key) -> dict[str, str]:
    """Return the variables for a key ID, a secret key and a session token."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return dict(zip(names, key, strict=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mint:
    """Mints tokens in its own folder, and adds every secret to the evidence."""

    home: Path
    evidence: Evidence

    def by_signer(
        self,
        key: Key,
        *,
        region: str = "us-east-1",
        host: str = "",
        cluster: str = CLUSTER,
        expires: int = 60,
        seconds_ago: float = 0,
    ) -> str:
        """Mint as in aws-iam-authenticator's README, with botocore's `RequestSigner`."""
        signer = RequestSigner(ServiceId("sts"), region, "sts", "v4", Credentials(*key), _EMITTER)
        parameters = {
            "method": "GET",
            "url": f"https://{host or f'sts.{region}.amazonaws.com'}/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": cluster},
            "context": {},
        }
        then = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        with patch("botocore.auth.get_current_datetime", lambda: then):
            url = signer.generate_presigned_url(parameters, region_name=region, expires_in=expires, operation_name="")
        return self._known(_PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("="), key)

    def by_script(self, key: Key, *arguments: str, cluster: str = CLUSTER, **variables: str) -> str:
        """Mint with the installed `authd-token`, from credentials in the environment."""
        environment = {"AWS_REGION": "us-east-1", **credentials_in_environment(key), **variables}
        command = [script("authd-token"), "-i", cluster, *arguments]
        return self._known(self._credential("authd-token", command, environment), key)

    def by_aws_cli(self, key: Key, *, region: str = "us-east-1", cluster: str = CLUSTER) -> str:
        """Mint with `aws eks get-token`, from credentials in the environment."""
        # Run by this interpreter, since the command's first line may name another one.
        command = [sys.executable, "-m", "awscli", "eks", "get-token", "--cluster-name", cluster, "--region", region]
        return self._known(self._credential("aws eks get-token", command, credentials_in_environment(key)), key)

    def _credential(self, who: str, command: list[str], environment: dict[str, str]) -> str:
        done = subprocess.run(
            command,
            env=bare_environment(self.home, **environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        self.evidence.said(f"{who} (standard error)", done.stderr)
        assert done.returncode == 0, done.stderr.decode()
        return str(json.loads(done.stdout)["status"]["token"])

    def _known(self, token: str, key: Key) -> str:
        for value, what in zip(key[1:], ("a secret key", "a session token"), strict=False):
            self.evidence.secret(value, what)
        self.evidence.token(token)
        return token
