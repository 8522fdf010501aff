"""Tokens of every official client are accepted in both API versions, with the mapped identity."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from authd.emulator.directory.sample import ACCOUNT, ALICE_KEY
from authd.emulator.kube_apiserver import token_review
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.minting import Mint
from tests.integration.rig.settings import ADMIN, ALICE, DEVELOPER

MINTED: dict[str, Callable[[Mint], str]] = {
    "authd-token": lambda mint: mint.by_script(ALICE_KEY),
    "botocore's signer, 60 seconds": lambda mint: mint.by_signer(ALICE_KEY),
    "botocore's signer, 15 minutes": lambda mint: mint.by_signer(ALICE_KEY, expires=900),
    "botocore's signer, another region": lambda mint: mint.by_signer(ALICE_KEY, region="eu-west-1"),
    "botocore's signer, the global host": lambda mint: mint.by_signer(ALICE_KEY, host="sts.amazonaws.com"),
    "aws eks get-token": lambda mint: mint.by_aws_cli(ALICE_KEY),
}


@pytest.mark.parametrize("how", MINTED)
def test_a_token_of_every_client_is_accepted(daemon: DaemonProcess, mint: Mint, how: str) -> None:
    """A valid token of any official client is accepted as the mapped user, in either API version."""
    token = MINTED[how](mint)
    for version in ("v1", "v1beta1"):
        answer = daemon.review(token, version)
        assert answer.review["apiVersion"] == f"authentication.k8s.io/{version}"
        assert answer.user["username"] == "alice"
        assert answer.user["groups"] == ["devs", "on-call"]


def test_the_aws_identity_is_in_the_response(daemon: DaemonProcess, mint: Mint) -> None:
    """The response has the `extra` keys that policies and audit queries for aws-iam-authenticator use."""
    user = daemon.review(mint.by_signer(ALICE_KEY)).user
    extra = user["extra"]
    principal = extra["principalId"][0]
    assert user["uid"] == f"aws-iam-authenticator:{ACCOUNT}:{principal}"
    assert principal.startswith("AIDA")
    assert extra == {
        "arn": [ALICE],
        "canonicalArn": [ALICE],
        "sessionName": [""],
        "accessKeyId": [ALICE_KEY[0]],
        "principalId": [principal],
        "sigs.k8s.io/aws-iam-authenticator/principalId": [principal],
    }


ROLES = {
    ADMIN: ("admin:alice-example.com", ["system:masters"]),
    DEVELOPER: (f"developer-{ACCOUNT}-alice@example.com", ["devs"]),
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_that_the_script_assumes_is_mapped(
    daemon: DaemonProcess, emulator: EmulatorProcess, mint: Mint, role: str
) -> None:
    """`authd-token -r` assumes the role first, and the session name fills the templates."""
    own_sts = {"AWS_ENDPOINT_URL_STS": f"https://127.0.0.1:{emulator.port}", "AWS_CA_BUNDLE": emulator.ca}
    user = daemon.review(mint.by_script(ALICE_KEY, "-r", role, "--session-name", "alice@example.com", **own_sts)).user
    assert (user["username"], user["groups"]) == ROLES[role]
    assert user["extra"]["canonicalArn"] == [f"arn:aws:iam::{ACCOUNT}:role/{role.rpartition('/')[2]}"]
    assert user["extra"]["sessionName"] == ["alice@example.com"]


def test_a_decision_is_one_event_in_the_log(daemon: DaemonProcess, mint: Mint) -> None:
    """Each decision is one structured event in the log, with stable field names."""
    before = len(daemon.events())
    daemon.review(mint.by_signer(ALICE_KEY))
    event = daemon.wait_for_event(lambda e: e.get("decision") == "allowed", "the decision", before)
    assert event["reason"] == "allowed"
    assert event["level"] == "info"
    assert (event["arn"], event["canonical_arn"], event["account"]) == (ALICE, ALICE, ACCOUNT)
    assert (event["username"], event["groups"]) == ("alice", ["devs", "on-call"])
    assert event["sts_host"] == "sts.us-east-1.amazonaws.com"
    assert event["sts_request_id"]
    assert event["status"] == 200
    assert len(event["token"]) == 12
    assert [e["reference"] for e in daemon.events()[before:] if "decision" in e] == [event["reference"]]


def test_a_decision_has_the_trace_of_its_request(daemon: DaemonProcess, mint: Mint) -> None:
    """The decision about a review with `traceparent` has trace and span IDs in the log. Others lack these fields."""
    before = len(daemon.events())
    token = mint.by_signer(ALICE_KEY)
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with daemon.client() as client:
        for headers in ({"Traceparent": f"00-{trace}-{span}-01"}, {"Traceparent": f"00-{trace}-{span}-zz"}, {}):
            body = token_review(token, version="v1")
            assert client.request("POST", client.url.path, body, headers).user["username"] == "alice"
    events = [event for event in daemon.events()[before:] if "decision" in event]
    assert [(event.get("trace_id"), event.get("span_id")) for event in events] == [
        (trace, span),
        (None, None),
        (None, None),
    ]


def test_many_reviews_on_one_connection(daemon: DaemonProcess, mint: Mint) -> None:
    """A connection stays open from review to review, as kube-apiserver keeps its own."""
    tokens = [mint.by_signer(ALICE_KEY, expires=expires) for expires in range(100, 110)]
    with daemon.client() as client:
        serials = set()
        for token in tokens:
            answer = client.review(token)
            assert answer.user["username"] == "alice"
            assert "Connection" not in answer.headers
            serials.add(client.peer_serial())
    assert len(serials) == 1
