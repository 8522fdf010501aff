"""The outputs of a test run, and the secrets that must not appear in them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

_PREFIX = "k8s-aws-v1."
#: The length of a token's end, which contains most of the signature. Its beginning, host and action, is public.
_SECRET_END = 40


class Evidence:
    """Collects secrets and outputs. `leaks` names each secret found in an output."""

    def __init__(self) -> None:
        self._secrets: dict[bytes, str] = {}
        self._texts: list[tuple[str, bytes]] = []
        self._files: list[tuple[str, Path]] = []

    def secret(self, value: str, what: str) -> None:
        """Add a secret in every encoding in which it could be printed."""
        spellings = {value, quote(value, safe=""), json.dumps(value)[1:-1]}
        self._secrets |= {spelling.encode(): what for spelling in spellings}

    def token(self, token: str) -> None:
        """Add a token and the secrets in it."""
        self.secret(token[-_SECRET_END:], "a token")
        payload = token.removeprefix(_PREFIX)
        url = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode("ascii")
        parameters = parse_qs(urlsplit(url).query)
        self.secret(parameters["X-Amz-Signature"][0], "a signature")
        for session_token in parameters.get("X-Amz-Security-Token", []):
            self.secret(session_token, "a session token")

    def said(self, who: str, text: bytes | str) -> None:
        """Add an output or a response."""
        self._texts.append((who, text.encode() if isinstance(text, str) else text))

    def writes(self, who: str, file: Path) -> None:
        """Add a file with a process's output."""
        self._files.append((who, file))

    @property
    def size(self) -> tuple[int, int]:
        """The number of secrets, and the number of output bytes."""
        return len(self._secrets), sum(len(text) for _, text in self._everything())

    def leaks(self) -> list[str]:
        """Return the kind and the output of every leaked secret, without the secret."""
        return sorted(
            {
                f"{who} shows {what}"
                for who, text in self._everything()
                for secret, what in self._secrets.items()
                if secret in text
            }
        )

    def _everything(self) -> list[tuple[str, bytes]]:
        return [*self._texts, *((who, file.read_bytes()) for who, file in self._files if file.exists())]
