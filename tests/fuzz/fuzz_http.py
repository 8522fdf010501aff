"""Fuzzes the webhook's HTTP layer: no exception is raised, and splitting the input changes no response."""

from __future__ import annotations

import json

import atheris
from targets import ROOT, fuzz

with atheris.instrument_imports(include=["authd"]):
    from tests.corpus.conftest import WebhookConnection, expanded

CORPUS = ROOT / "tests" / "corpus"


def seen(data: bytes, *, split: bool) -> tuple[object, ...]:
    """Return a connection's responses to the given bytes, and the number of reviewed tokens."""
    connection = WebhookConnection()
    connection.send(data, split=split)
    result = (connection.statuses, len(connection.authenticator.reviews), connection.state)
    connection.clock.advance(130)  # longer than any connection may be idle
    connection.factory.deadlines.sweep()
    assert connection.state == "cut off"
    connection.end()
    assert len(connection.factory.deadlines) == 0
    return result


def target(data: bytes) -> None:
    """Compare delivery in one piece with delivery byte by byte."""
    assert seen(data, split=False) == seen(data, split=True)


def seeds() -> list[bytes]:
    """Return the corpus's connections without their pauses."""
    found = []
    for case in json.loads((CORPUS / "http.json").read_text())["cases"]:
        parts = [expanded(part) for part in case["input"]["send"] if not (isinstance(part, dict) and "wait" in part)]
        found.append("".join(parts).encode("latin-1")[:4096])
    return found


if __name__ == "__main__":
    fuzz(target, seeds(), max_length=4096)
