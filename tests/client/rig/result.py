"""The result of running authd-token."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from tests.client.rig.samples import SECRET


@dataclass(frozen=True, slots=True)
class Result:
    """The exit status and output of authd-token, and the parts of its token."""

    status: int
    out: str
    err: str

    @property
    def token(self) -> str:
        return json.loads(self.out)["status"]["token"] if self.out.startswith("{") else self.out.strip()

    @property
    def url(self) -> str:
        prefix, _, text = self.token.partition(".")
        assert prefix == "k8s-aws-v1"
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()

    @property
    def query(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(urlsplit(self.url).query).items()}

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def key_id(self) -> str:
        return self.query["X-Amz-Credential"].split("/")[0]

    @property
    def region(self) -> str:
        return self.query["X-Amz-Credential"].split("/")[2]

    def message(self) -> str:
        """Return the error message, after checking that it is one line on stderr without a secret or traceback."""
        assert self.status != 0
        assert self.out == ""
        assert "Traceback" not in self.err
        assert SECRET not in self.err
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]
