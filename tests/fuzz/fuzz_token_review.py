"""Fuzzes TokenReviews: each body is refused, or another JSON parser finds the same review in it."""

# no pytest here

from __future__ import annotations

import json

import atheris
from targets import ROOT, fuzz

with atheris.instrument_imports(include=["authd", "json"]):
    from authd.core.decision import Decision
    from authd.core.token_review import InvalidReview, ReviewEncoder, common_audiences, decode_review

from authd.core.errors import Denied

CORPUS = ROOT / "tests" / "corpus"


def target(body: bytes) -> None:
    """Decode a body, and encode a response to it."""
    try:
        review = decode_review(body)
    except InvalidReview as error:
        assert str(error).isascii()
        return
    read = json.loads(body)
    assert (read["kind"], read["apiVersion"], read["spec"]["token"]) == (
        "TokenReview",
        review.api_version,
        review.token,
    )
    assert tuple(read["spec"].get("audiences") or ()) == review.audiences
    review.token.encode("utf-8")
    try:
        common_audiences(review.audiences, ("a", "b"))
    except Denied:
        assert not {"a", "b"} & {*review.audiences}
    decision = Decision(reason="sts_refused", message="m", reference="r")
    answer = json.loads(ReviewEncoder().encode(decision, review.api_version))
    assert answer["status"]["authenticated"] is False


def seeds() -> list[bytes]:
    """Return the corpus's bodies."""
    found = []
    for case in json.loads((CORPUS / "token-reviews.json").read_text())["cases"]:
        given = case["input"]
        if "json" in given:
            found.append(json.dumps(given["json"]).encode())
        elif "latin1" in given:
            found.append(given["latin1"].encode("latin-1"))
        elif isinstance(given["text"], str):
            found.append(given["text"].encode())
    return found


if __name__ == "__main__":
    fuzz(target, seeds(), max_length=4096)
