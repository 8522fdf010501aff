"""Runs a `credential_process` with limits on its run time and output. Its stderr is discarded."""

from __future__ import annotations

import contextlib
import json
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
_MAX_OUTPUT_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024
_OPERATORS = frozenset(("|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "2>&1", "2>/dev/null"))
_SHELLS = frozenset(("sh", "bash", "zsh", "dash", "ksh", "fish", "python", "python3"))


class BoundedProcess:
    """The part of subprocess.Popen that botocore uses for a `credential_process`."""

    def __init__(self, command: list[str], *, profile: str = "default") -> None:
        """Start the program. Its stderr could contain a secret, so it is discarded."""
        self._name = f"the credential_process of the profile {profile!r}"
        self._command = command
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- the user's own profile names it
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except (OSError, ValueError, IndexError) as error:
            reason = getattr(error, "strerror", None) or "it is not a command"
            raise self._failure(f"cannot be started: {reason}; install the program or correct its path") from None
        self.returncode: int | None = None

    def communicate(self) -> tuple[bytes, bytes]:
        """Return the program's output after its end. Raises ClientError if it is not a credential."""
        deadline = time.monotonic() + _SECONDS
        try:
            output = self._read(deadline)
            self.returncode = self._process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            raise self._failure(
                f"did not end within {_SECONDS:g} seconds; run it by hand to see what it waits for"
            ) from None
        finally:
            self._end()
        if self.returncode:
            status = f"with exit status {self.returncode}" if self.returncode > 0 else f"by signal {-self.returncode}"
            raise self._failure(f"ended {status}; run it by hand to see why")
        self._require_credential(output)
        return output, b""

    def _failure(self, fault: str) -> ClientError:
        return ClientError(f"{self._name} {self._shell_fault() or fault}")

    def _shell_fault(self) -> str | None:
        shell = self._command and os.path.basename(self._command[0]) in _SHELLS
        found = next((word for word in self._command if word in _OPERATORS), None)
        if found is None and not shell:
            found = next((word for word in self._command if word.startswith("~") or "$" in word), None)
        if found is None:
            return None
        kind = "operators" if found in _OPERATORS else "a ~ or variables"
        return (
            f"needs a shell for {found!r}, but botocore and the AWS CLI run it without one, unlike SDKs for Go; write "
            f"paths in full, or wrap it as sh -c '…' to use {kind}"
        )

    def _require_credential(self, output: bytes) -> None:
        try:
            document = json.loads(output)
        except (ValueError, RecursionError):
            raise self._failure("printed something other than JSON; run it by hand to see") from None
        if not isinstance(document, dict):
            raise self._failure("printed JSON that is not an object with credentials; run it by hand to see")
        if document.get("Version") != 1:
            raise self._failure('printed JSON without `"Version": 1`; use a version of it that does')
        for name in ("AccessKeyId", "SecretAccessKey"):
            if not isinstance(document.get(name), str) or not document[name]:
                raise self._failure(f"printed JSON without {name}; run it by hand to see")
        for name in ("SessionToken", "Expiration"):
            if not isinstance(document.get(name), str | None):
                raise self._failure(f"printed JSON in which {name} is not a string; run it by hand to see")

    def _read(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        stream, output = self._process.stdout.fileno(), b""
        while select.select([stream], [], [], max(deadline - time.monotonic(), 0.0))[0]:
            chunk = os.read(stream, _CHUNK_BYTES)
            output += chunk
            if not chunk:
                return output
            if len(output) > _MAX_OUTPUT_BYTES:
                raise self._failure("printed far more than a credential; run it by hand to see")
        raise subprocess.TimeoutExpired(self._process.args, _SECONDS)

    def _end(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)


def limit_credential_processes(resolver: Any) -> None:
    """Make botocore run every credential_process, including a source profile's, as a BoundedProcess."""
    _limit(resolver.get_provider("custom-process"))
    builder = resolver.get_provider("assume-role")._profile_provider_builder
    make = builder._create_process_provider

    def bounded(profile_name: str) -> ProcessProvider:
        provider = make(profile_name)
        _limit(provider)
        return provider

    builder._create_process_provider = bounded


def _limit(provider: Any) -> None:
    provider._popen = lambda command, **_: BoundedProcess(command, profile=provider._profile_name)
