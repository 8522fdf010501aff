"""Fuzzes tokens: each is refused, or an independent parser finds the same request in it."""

# no pytest here

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qsl, urlsplit

import atheris
from targets import ROOT, fuzz

with atheris.instrument_imports(include=["authd"]):
    from authd.core.errors import DenialReason, Denied
    from authd.core.partitions import STSHosts
    from authd.core.token import PREFIX, parse_token
    from authd.partition_data import load_partitions

CORPUS = ROOT / "tests" / "corpus"
BASE = json.loads((CORPUS / "base.json").read_text())
NOW = BASE["now_unix"]
HOSTS = STSHosts(partition=load_partitions()["aws"])
REASONS = {
    DenialReason.FOREIGN_TOKEN,
    DenialReason.MALFORMED_TOKEN,
    DenialReason.TOKEN_EXPIRED,
    DenialReason.TOKEN_NOT_YET_VALID,
}


def read(token: str) -> None:
    """Parse a token, and compare the result with the standard library's parsers."""
    try:
        request = parse_token(token, hosts=HOSTS, now=NOW)
    except Denied as error:
        assert error.reason in REASONS
        assert error.message.isascii()
        return
    text = token.removeprefix(PREFIX)
    url = urlsplit(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii"))
    assert (url.scheme, url.netloc, url.path, url.fragment) == ("https", request.host, "/", "")
    sent = parse_qsl(request.target.removeprefix("/?"), keep_blank_values=True, strict_parsing=True)
    assert sorted(sent) == sorted(parse_qsl(url.query, keep_blank_values=True, strict_parsing=True))
    parameters = dict(sent)
    assert len(parameters) == len(sent)
    assert (parameters["Action"], parameters["Version"]) == ("GetCallerIdentity", "2011-06-15")
    assert parameters["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id"
    assert HOSTS.signing_region(request.host) == request.region == parameters["X-Amz-Credential"].split("/")[2]
    assert -300 <= NOW - request.date <= 900


def target(data: bytes) -> None:
    """Parse the bytes as a token, as the text after the prefix, or as the URL inside. The first byte selects one."""
    kind, content = data[:1], data[1:]
    if kind == b"t":
        read(content.decode("utf-8", "surrogateescape"))
    elif kind == b"p":
        read(PREFIX + content.decode("utf-8", "surrogateescape"))
    else:
        read(PREFIX + base64.urlsafe_b64encode(content).rstrip(b"=").decode())


def seeds() -> list[bytes]:
    """Return a valid URL, one with a session token, and the corpus's changes to it."""
    query = "&".join(f"{name}={value}" for name, value in BASE["parameters"].items())
    url = BASE["begin"] + query
    found = [b"u" + url.encode(), b"u" + url.encode() + b"&X-Amz-Security-Token=IQoJb3JpZ2lu%2FEXAMPLE%2B%3D"]
    found.append(b"t" + PREFIX.encode() + base64.urlsafe_b64encode(url.encode()).rstrip(b"="))
    for path in CORPUS.glob("*.json"):
        for case in json.loads(path.read_text()).get("cases", ()):
            for name, value in case["input"].get("change", {}).items():
                if isinstance(value, str):
                    found.append(
                        b"u" + url.replace(f"{name}={BASE['parameters'].get(name)}", f"{name}={value}").encode()
                    )
            if isinstance(case["input"].get("begin"), str):
                found.append(b"u" + (case["input"]["begin"] + query).encode())
    return found


if __name__ == "__main__":
    fuzz(target, seeds(), max_length=4096)
