"""Runs a `credential_process` with limits on its run time and output. Its stderr is discarded."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from typing import Any

from botocore.credentials import ProcessProvider

from authd.client.fast.errors import ClientError

# The limit of the AWS SDK for Go, and so of aws-iam-authenticator.
_SECONDS = 60.0
# Time for the kernel to end a killed process.
_END_SECONDS = 1.0
# A credential has about 2 KiB.
_MAX_ANSWER_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024


class BoundedProcess:
    """The part of subprocess.Popen that botocore uses for a `credential_process`."""

    def __init__(self, command: list[str], **_: Any) -> None:
        """Start the program. Its stderr could contain a secret, so it is discarded."""
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- the user's own profile names it
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise ClientError(f"the credential_process of the profile cannot be started: {error.strerror}") from None
        self.returncode: int | None = None

    def communicate(self) -> tuple[bytes, bytes]:
        """Return the program's output after its end. Raises ClientError if it exceeds a limit."""
        deadline = time.monotonic() + _SECONDS
        try:
            answer = self._read(deadline)
            self.returncode = self._process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            raise ClientError(
                f"the credential_process of the profile did not end within {_SECONDS:g} seconds; "
                "run it by hand to see what it waits for"
            ) from None
        finally:
            self._end()
        return answer, b""

    def _read(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        stream, answer = self._process.stdout.fileno(), b""
        while select.select([stream], [], [], max(deadline - time.monotonic(), 0.0))[0]:
            chunk = os.read(stream, _CHUNK_BYTES)
            answer += chunk
            if not chunk:
                return answer
            if len(answer) > _MAX_ANSWER_BYTES:
                raise ClientError(
                    "the credential_process of the profile printed far more than a credential; run it by hand to see"
                )
        raise subprocess.TimeoutExpired(self._process.args, _SECONDS)

    def _end(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)


def limit_credential_processes(resolver: Any) -> None:
    """Make botocore run every credential_process, including a source profile's, as a BoundedProcess."""
    resolver.get_provider("custom-process")._popen = BoundedProcess
    builder = resolver.get_provider("assume-role")._profile_provider_builder
    make = builder._create_process_provider

    def bounded(profile_name: str) -> ProcessProvider:
        provider = make(profile_name)
        provider._popen = BoundedProcess
        return provider

    builder._create_process_provider = bounded
