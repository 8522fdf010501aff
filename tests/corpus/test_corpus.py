"""Runs every case of the corpus. README.md describes the files."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from authd.config.load import load_settings
from authd.core.caller_identity import CallerIdentity, parse_response
from authd.core.decision import Decision
from authd.core.errors import AuthdError, ConfigError, Denied, Unavailable
from authd.core.partitions import ExtraEndpoint, STSHosts
from authd.core.token import parse_token
from authd.core.token_review import InvalidReview, ReviewEncoder, decode_review

HERE = Path(__file__).parent
TOKEN_CLASSES = (
    "envelope",
    "scheme-and-authority",
    "path-and-fragment",
    "parameters",
    "credential-scope",
    "signed-headers",
    "dates-expiries-signatures",
)


def cases(*names):
    """Return the cases of the given classes as pytest parameters, with their IDs."""
    found = [case for name in names for case in json.loads(HERE.joinpath(f"{name}.json").read_text())["cases"]]
    return [pytest.param(SimpleNamespace(**case), id=case["id"]) for case in found]


# --- tokens


def url_of(given, base, expand):
    """Build the bytes inside the token."""
    if "url" in given:
        return expand(given["url"]).encode("utf-8")
    if "url_latin1" in given:
        return given["url_latin1"].encode("latin-1")
    changes = given.get("change", {})
    parameters = {**base["parameters"], **changes}
    names = [*given.get("order", base["parameters"]), *(name for name in changes if name not in base["parameters"])]
    query = "&".join(f"{name}={expand(parameters[name])}" for name in names if parameters[name] is not None)
    return (expand(given.get("begin", base["begin"])) + query + expand(given.get("append", ""))).encode("utf-8")


def token_of(given, base, expand):
    """Build the token of a case."""
    if "token" in given:
        return expand(given["token"])
    url = url_of(given, base, expand)
    token = base["prefix"] + base64.urlsafe_b64encode(url).rstrip(b"=").decode()
    edit = given.get("edit")
    if edit is None:
        return token
    at = len(token) if edit["at"] == "end" else edit["at"] % len(token)
    return token[:at] + edit["insert"] + token[at + edit.get("delete", 0) :]


@pytest.mark.parametrize("case", cases(*TOKEN_CLASSES))
def test_token(case, base, expand, partitions):
    """A token is parsed or refused with the reason, as the corpus expects."""
    verifier = {**base["verifier"], **case.input.get("verifier", {})}
    extra = tuple(ExtraEndpoint(host=e["host"], signing_region=e["signingRegion"]) for e in verifier["endpoints"])
    hosts = STSHosts(
        partition=partitions[verifier["partition"]],
        extra_regions=frozenset(verifier["extraRegions"]),
        extra_endpoints=extra,
    )
    now = base["now_unix"] + case.input.get("now", 0)
    token = token_of(case.input, base, expand)
    try:
        request = parse_token(token, hosts=hosts, now=now, max_length=verifier["maxTokenLength"])
    except Denied as error:
        refusal = error
    else:
        assert case.expect["outcome"] == "accepted"
        assert (request.host, request.region) == (case.expect["host"], case.expect["region"])
        assert case.expect.get("sends", "") in request.target.split("&") or "sends" not in case.expect
        sent = request.target.removeprefix("/?").split("&")
        assert sorted(sent) == sorted(url_of(case.input, base, expand).decode().partition("/?")[2].split("&"))
        return
    assert {"outcome": "refused", "reason": refusal.reason} == case.expect
    decision = Decision(reason=refusal.reason, message=refusal.message, reference="r")
    status = json.loads(ReviewEncoder().encode(decision, "authentication.k8s.io/v1"))["status"]
    assert status["authenticated"] is False
    assert ("error" in status) == (refusal.reason not in {"foreign_token", "malformed_token"})


# --- STS responses


def raw_response(given, expand):
    """Build the bytes of STS's response."""
    if "raw" in given:
        return expand(given["raw"]).encode("latin-1")
    body = body_of(given, expand)
    head = given.get("head", [f"HTTP/1.1 {given.get('status', 200)} Status"])
    if not any(line.startswith("Content-Length:") for line in head):
        head = [*head, f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def body_of(given, expand):
    """Build the body of a response."""
    if "body_latin1" in given:
        return given["body_latin1"].encode("latin-1")
    return (json.dumps(given["body"]) if "body" in given else expand(given["body_text"])).encode("utf-8")


def described(outcome):
    """Return an outcome in the corpus's format."""
    if isinstance(outcome, CallerIdentity):
        return {
            "outcome": "identity",
            "arn": outcome.arn_text,
            "canonical_arn": outcome.canonical_arn,
            "principal_id": outcome.principal_id,
        }
    assert isinstance(outcome, Denied | Unavailable), repr(outcome)
    return {"outcome": "refused" if isinstance(outcome, Denied) else "unavailable", "reason": outcome.reason}


@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
@pytest.mark.parametrize("case", cases("sts-answers"))
def test_sts_response(case, split, expand, exchange):
    """A response and its connection have the expected outcome, however its bytes are split."""
    call = exchange(partition=case.input.get("partition", "aws"))
    assert call.sent.startswith(b"GET /?Action=GetCallerIdentity HTTP/1.1\r\n")
    call.deliver(raw_response(case.input, expand), split=split and not case.input.get("one_piece"))
    if case.input.get("then") == "close":
        call.close()
    elif case.input.get("then") == "silence":
        call.stay_silent()
    call.deliver(case.input.get("late", "").encode("latin-1"), split=split)
    expected = dict(case.expect)
    connection = expected.pop("connection", None)
    assert [described(outcome) for outcome in call.outcomes] == [expected]
    if connection is not None:
        assert ("closed" if call.closed else "kept") == connection


@pytest.mark.parametrize(
    "case", [case for case in cases("sts-answers") if {"body", "body_text", "body_latin1"} & {*case.values[0].input}]
)
def test_sts_response_body(case, expand):
    """A body has the same outcome without HTTP's framing."""
    head = case.input.get("head", [f"HTTP/1.1 {case.input.get('status', 200)} Status"])[0]
    try:
        outcome = parse_response(
            status=int(head.split(" ")[1]),
            body=body_of(case.input, expand),
            partition=case.input.get("partition", "aws"),
            access_key_id="ASIAIOSFODNN7EXAMPLE",
        )
    except AuthdError as error:
        outcome = error
    assert described(outcome).items() <= case.expect.items()


# --- mapping


@pytest.mark.parametrize("case", cases("mapping"))
def test_mapping(case, base, partitions):
    """Settings and a caller give the expected user, or the expected reason of a refusal."""
    # JSON is YAML, so an operator could have written these settings.
    text = json.dumps({"clusterID": base["clusterID"], "server": case.input["server"]}).encode()
    try:
        table = load_settings(text, file="corpus.yaml", partitions=partitions).table
    except ConfigError:
        assert case.expect == {"outcome": "load_error"}
        return
    try:
        user = table.lookup(identity_of(case.input["caller"], base))
    except Denied as error:
        refusal = {"outcome": "refused", "reason": error.reason}
        assert refusal == case.expect
        return
    assert {"outcome": "mapped", "username": user.username, "groups": list(user.groups)} == case.expect


def identity_of(caller, base):
    """Parse a caller's identity from the response that STS would send."""
    _, partition, _, _, account, _ = caller["arn"].split(":")
    result = {"Account": account, "Arn": caller["arn"], "UserId": caller["userId"]}
    body = json.dumps({"GetCallerIdentityResponse": {"GetCallerIdentityResult": result}}).encode()
    return parse_response(status=200, body=body, partition=partition, access_key_id=base["accessKeyId"])


# --- TokenReviews


def review_of(given, expand):
    """Build the body of a review."""
    if "latin1" in given:
        return given["latin1"].encode("latin-1")
    return (json.dumps(given["json"]) if "json" in given else expand(given["text"])).encode("utf-8")


@pytest.mark.parametrize("case", cases("token-reviews"))
def test_token_review(case, expand, webhook):
    """A posted body is parsed, or refused with the status, as the corpus expects."""
    body = review_of(case.input, expand)
    connection = webhook()
    connection.send(b"POST /authenticate HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert connection.statuses == [case.expect["status"]]
    if case.expect["status"] == 200:
        (review,) = connection.authenticator.reviews
        read = {"apiVersion": review.api_version, "token": review.token, "audiences": list(review.audiences)}
        assert read | case.expect == case.expect | {name: read[name] for name in read if name not in case.expect}
        response = json.loads(connection.responses.partition(b"\r\n\r\n")[2])
        assert (response["kind"], response["apiVersion"]) == ("TokenReview", case.expect["apiVersion"])
    else:
        assert connection.authenticator.reviews == []
        assert [status for status, _ in connection.decision_log.refusals] == [case.expect["status"]]
        with pytest.raises(InvalidReview):
            decode_review(body)


# --- HTTP


@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
@pytest.mark.parametrize("case", cases("http"))
def test_http(case, split, expand, webhook):
    """Bytes on a connection get the expected responses, however they are split."""
    connection = webhook()
    for step in case.input["send"]:
        if isinstance(step, dict) and "wait" in step:
            connection.wait(step["wait"])
        else:
            connection.send(expand(step).encode("latin-1"), split=split)
    seen = {
        "statuses": connection.statuses,
        "reviews": len(connection.authenticator.reviews),
        "connection": connection.state,
    }
    assert seen == case.expect
    connection.end()
    assert len(connection.factory.deadlines) == 0
    assert connection.factory.under_review == 0


# --- the corpus


def test_every_case_has_a_unique_id():
    """IDs are unique and begin with their class, and every case has a reason."""
    names = sorted(path.stem for path in HERE.glob("*.json") if path.stem != "base")
    assert names == sorted([*TOKEN_CLASSES, "sts-answers", "mapping", "token-reviews", "http"])
    found = [case.values[0] for name in names for case in cases(name)]
    assert len({case.id for case in found}) == len(found)
    for case in found:
        assert case.why
        assert set(vars(case)) == {"id", "why", "input", "expect"}
