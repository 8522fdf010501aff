"""Fuzzes bodies of STS's responses: an identity with consistent parts, a denial, or a temporary failure."""

# no pytest here

from __future__ import annotations

import json

import atheris
from targets import ROOT, fuzz

with atheris.instrument_imports(include=["authd", "json"]):
    from authd.core.caller_identity import parse_response
    from authd.core.errors import Denied, Unavailable

CORPUS = ROOT / "tests" / "corpus"
STATUSES = (200, 400, 403, 429, 500, 302, 204)


def target(data: bytes) -> None:
    """Parse the bytes after the first one as a response. The first one selects the status."""
    status = STATUSES[data[0] % len(STATUSES)] if data else 200
    body = data[1:]
    try:
        identity = parse_response(status=status, body=body, partition="aws", access_key_id="AKIAEXAMPLE")
    except Denied as error:
        assert 400 <= status < 500
        assert error.message.isascii()
        return
    except Unavailable as error:
        assert error.message.isascii()
        return
    result = json.loads(body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]
    assert status == 200
    _, partition, _, _, account, resource = result["Arn"].split(":", 5)
    assert (partition, account) == ("aws", result["Account"])
    assert identity.arn_text == result["Arn"]
    assert result["UserId"].startswith(identity.principal_id)
    if identity.arn.session:
        assert result["UserId"].endswith(":" + resource.rpartition("/")[2])
    assert identity.key.isascii()
    assert identity.request_id.isascii()


def seeds() -> list[bytes]:
    """Return the corpus's bodies, each with a status that makes them relevant."""
    found = []
    for case in json.loads((CORPUS / "sts-answers.json").read_text())["cases"]:
        given = case["input"]
        first = b"\x02" if given.get("status", 200) == 403 else b"\x00"
        if "body" in given:
            found.append(first + json.dumps(given["body"]).encode())
        elif isinstance(given.get("body_text"), str):
            found.append(first + given["body_text"].encode())
        elif "body_latin1" in given:
            found.append(first + given["body_latin1"].encode("latin-1"))
    return found


if __name__ == "__main__":
    fuzz(target, seeds(), max_length=4096)
