"""Fuzzes STS's responses on the wire: one outcome of a declared kind, however the bytes are split."""

from __future__ import annotations

import json

import atheris
from targets import ROOT, fuzz

with atheris.instrument_imports(include=["authd"]):
    from authd.core.caller_identity import CallerIdentity
    from authd.core.errors import Denied, Unavailable
    from tests.corpus.conftest import STSExchange, expanded

CORPUS = ROOT / "tests" / "corpus"


def outcome(data: bytes, *, split: bool) -> object:
    """Return the outcome of a response whose connection is then closed."""
    exchange = STSExchange(partition="aws")
    exchange.deliver(data, split=split)
    exchange.close()
    exchange.stay_silent()
    (found,) = exchange.outcomes
    assert isinstance(found, CallerIdentity | Denied | Unavailable), repr(found)
    return found


def target(data: bytes) -> None:
    """Compare delivery in one piece with delivery byte by byte."""
    whole, split = outcome(data, split=False), outcome(data, split=True)
    if isinstance(whole, CallerIdentity):
        # In one piece, data after the response is detected at once. A response accepted in one piece is accepted when split.
        assert isinstance(split, CallerIdentity)
        assert whole.arn_text == split.arn_text


def seeds() -> list[bytes]:
    """Return the corpus's responses."""
    found = []
    for case in json.loads((CORPUS / "sts-answers.json").read_text())["cases"]:
        given = case["input"]
        if "raw" in given:
            found.append(expanded(given["raw"]).encode("latin-1")[:4096])
        elif "body" in given:
            body = json.dumps(given["body"]).encode()
            found.append(b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n" % (given.get("status", 200), len(body)) + body)
    return found


if __name__ == "__main__":
    fuzz(target, seeds(), max_length=4096)
