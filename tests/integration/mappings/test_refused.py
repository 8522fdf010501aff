"""Every refusal has its message, reason and log line. For two kinds, kube-apiserver gets no message."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY, MALLORY_KEY, ROOT_KEY
from authd.emulator.faults.plan import Fault
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.minting import Mint
from tests.integration.rig.settings import ALICE, BOB, DISABLED_REGION, user

PREFIX = "k8s-aws-v1."
SERVICE_ACCOUNT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50In0.c2lnbmF0dXJl"


def with_url(token: str, change: Callable[[str], str]) -> str:
    """Return a token for another URL."""
    payload = token.removeprefix(PREFIX)
    url = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
    return PREFIX + base64.urlsafe_b64encode(change(url).encode()).decode().rstrip("=")


SILENT: dict[str, Callable[[Mint], str]] = {
    "a service account's": lambda _: SERVICE_ACCOUNT,
    "nothing after the prefix": lambda _: PREFIX,
    "not base64url": lambda _: PREFIX + "aHR0cHM6Ly9+",
    "padded": lambda mint: mint.by_signer(ALICE_KEY) + "=",
    "too long": lambda _: PREFIX + "A" * 5000,
    "another scheme": lambda mint: with_url(mint.by_signer(ALICE_KEY), lambda url: url.replace("https", "http", 1)),
    "another host": lambda mint: mint.by_signer(ALICE_KEY, host="sts.us-east-1.example.com"),
    "another service's host": lambda mint: mint.by_signer(ALICE_KEY, host="s3.us-east-1.amazonaws.com"),
    "another partition's host": lambda mint: mint.by_signer(ALICE_KEY, host="sts.cn-north-1.amazonaws.com.cn"),
    "a port": lambda mint: mint.by_signer(ALICE_KEY, host="sts.us-east-1.amazonaws.com:443"),
    "another action": lambda mint: with_url(
        mint.by_signer(ALICE_KEY), lambda url: url.replace("GetCallerIdentity", "GetSessionToken")
    ),
    "a parameter twice": lambda mint: with_url(
        mint.by_signer(ALICE_KEY), lambda url: url + "&Action=GetCallerIdentity"
    ),
    "a parameter too many": lambda mint: with_url(mint.by_signer(ALICE_KEY), lambda url: url + "&x-amz-foo=bar"),
    "good for longer than a quarter of an hour": lambda mint: mint.by_signer(ALICE_KEY, expires=901),
    "another region than the host's": lambda mint: mint.by_signer(
        ALICE_KEY, region="eu-west-1", host="sts.us-east-1.amazonaws.com"
    ),
}


@pytest.mark.parametrize("kind", SILENT)
@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_foreign_and_malformed_tokens_are_denied_without_an_error(
    daemon: DaemonProcess, emulator: EmulatorProcess, mint: Mint, kind: str, version: str
) -> None:
    """Foreign and malformed tokens are denied without an error, and STS is not called."""
    before, asked = len(daemon.events()), emulator.counters().requests
    answer = daemon.review(SILENT[kind](mint), version)
    assert answer.review["status"] == {"authenticated": False}
    assert answer.review["apiVersion"] == f"authentication.k8s.io/{version}"
    assert emulator.counters().requests == asked
    reason = "foreign_token" if kind == "a service account's" else "malformed_token"
    assert daemon.wait_for_event(lambda e: e.get("decision") == "denied", "the decision", before)["reason"] == reason


WITH_WORDS: dict[str, tuple[str, Callable[[Mint], str]]] = {
    "signed a quarter of an hour ago": ("token_expired", lambda m: m.by_signer(ALICE_KEY, seconds_ago=901)),
    "signed in the future": ("token_not_yet_valid", lambda m: m.by_signer(ALICE_KEY, seconds_ago=-400)),
    "for another cluster": ("signature_mismatch", lambda m: m.by_signer(ALICE_KEY, cluster="staging.example.com")),
    "with a wrong secret key": ("signature_mismatch", lambda m: m.by_signer((ALICE_KEY[0], "wrong" * 8))),
    "of an unknown key": ("unknown_access_key", lambda m: m.by_signer(("AKIANOBODYKNOWSTHIS0", "secret" * 7))),
    "with a wrong session token": ("unknown_access_key", lambda m: m.by_signer((*ALICE_KEY, "c2Vzc2lvbg=="))),
    "in a region that is switched off": (
        "sts_region_disabled",
        lambda m: m.by_signer(MALLORY_KEY, region=DISABLED_REGION),
    ),
    "of someone who isn't mapped": ("identity_not_mapped", lambda m: m.by_signer(MALLORY_KEY)),
    "of the account's root": ("identity_not_mapped", lambda m: m.by_signer(ROOT_KEY)),
}


@pytest.mark.parametrize("kind", WITH_WORDS)
def test_a_refusal_has_a_message_and_a_reference(daemon: DaemonProcess, mint: Mint, kind: str) -> None:
    """A denial is a 200 with an error: message, reason code, and the reference in the log."""
    reason, token = WITH_WORDS[kind]
    error = daemon.review(token(mint)).error
    assert f"[{reason}, reference " in error
    event = daemon.decision(error.rpartition("reference ")[2].rstrip("]"))
    assert (event["decision"], event["reason"], event["status"]) == ("denied", reason, 200)
    assert event["level"] == "warn"
    assert event["message"] in error
    assert "username" not in event


def test_a_refusal_of_the_mapping_names_the_nearest_rule(make_daemon: Callable[..., DaemonProcess], mint: Mint) -> None:
    """The log names the line of the nearest rule, and the reason for its mismatch."""
    with make_daemon(users=[user("arn:aws:iam::111122223333:user/mallory", "mallory")]) as daemon:
        error = daemon.review(mint.by_signer(MALLORY_KEY)).error
        event = daemon.decision(error.rpartition("reference ")[2].rstrip("]"))
        line = 1 + daemon.settings.read_text().split("\n").index("  - userARN: arn:aws:iam::111122223333:user/mallory")
        assert f"{daemon.settings}:{line}:5 has the same name in another account" in error
    assert event["arn"] == "arn:aws:iam::444455556666:user/mallory"


def test_expired_credentials_are_distinguished_from_an_old_signature(
    daemon: DaemonProcess, emulator: EmulatorProcess, mint: Mint
) -> None:
    """STS's two kinds of "expired" have different messages."""
    emulator.set_clock_offset(1200)
    assert "[signature_expired, " in daemon.review(mint.by_signer(ALICE_KEY)).error
    emulator.set_clock_offset(0)
    emulator.inject(Fault.EXPIRED, times=1)
    assert "[credentials_expired, " in daemon.review(mint.by_signer(ALICE_KEY, expires=61)).error
    assert daemon.review(mint.by_signer(ALICE_KEY, expires=62)).user["username"] == "alice"


def test_audiences_must_meet(make_daemon: Callable[..., DaemonProcess], mint: Mint) -> None:
    """With configured audiences the response repeats the common ones. Without a common one the review is denied."""
    with make_daemon(audiences=["https://kubernetes.default.svc", "cluster"]) as daemon:
        token = mint.by_signer(ALICE_KEY)
        common = daemon.review(token, audiences=["other", "cluster"]).review["status"]
        assert common["audiences"] == ["cluster"]
        assert common["authenticated"] is True
        assert "[audience_mismatch, " in daemon.review(token, audiences=["other"]).error
        assert "audiences" not in daemon.review(token).review["status"]


def test_reserved_and_unfinished_names_are_refused(make_daemon: Callable[..., DaemonProcess], mint: Mint) -> None:
    """A mapped name with a reserved prefix or an empty placeholder is refused."""
    users = [user(ALICE, "system:{{AccountID}}"), user(BOB, "bob-{{SessionName}}")]
    reserved = {"reservedPrefixConfig": [{"backendMode": "MountedFile", "usernamePrefixReserveList": ["system:"]}]}
    with make_daemon(users=users, **reserved) as daemon:
        assert "[username_reserved, " in daemon.review(mint.by_signer(ALICE_KEY)).error
        assert "[username_not_rendered, " in daemon.review(mint.by_signer(BOB_KEY)).error


def test_scrubbed_accounts_appear_nowhere(make_daemon: Callable[..., DaemonProcess], mint: Mint) -> None:
    """A scrubbed account ID appears neither in a response nor in the log."""
    with make_daemon(scrubbedAccounts=["111122223333"]) as daemon:
        answer = daemon.review(mint.by_signer(ALICE_KEY))
        assert answer.user["uid"] == "aws-iam-authenticator:administrative:alice"
        assert b"111122223333" not in answer.body
        daemon.wait_for_event(lambda e: e.get("decision") == "allowed", "the decision")
        refused = daemon.review(mint.by_signer(ROOT_KEY))
        assert "[identity_not_mapped, " in refused.error
        daemon.wait_for_event(lambda e: e.get("decision") == "denied", "the decision")
        assert b"111122223333" not in refused.body
        assert "111122223333" not in daemon.said()


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("POST", "/authenticate", b"{}", 400),
        ("POST", "/authenticate", b"not json", 400),
        ("POST", "/authenticate", b"", 400),
        ("POST", "/authenticate", b"[" * 30_000, 400),
        ("POST", "/authenticate", b"x" * 70_000, 413),
        ("GET", "/authenticate", None, 405),
        ("PUT", "/authenticate", b"{}", 405),
        ("POST", "/authenticate/", b"{}", 404),
        ("POST", "/Authenticate", b"{}", 404),
        ("POST", "/", b"{}", 404),
        ("GET", "/metrics", None, 200),
        ("GET", "/healthz", None, 200),
    ],
)
def test_a_request_that_is_no_review_gets_its_status(
    daemon: DaemonProcess, method: str, target: str, body: bytes | None, status: int
) -> None:
    """A request that is not a TokenReview gets a status that kube-apiserver logs, without Retry-After."""
    with daemon.client() as client:
        answer = client.request(method, target, body)
    assert answer.status == status
    assert "Retry-After" not in answer.headers
