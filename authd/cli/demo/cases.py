"""The callers of the demonstration, each with its expected outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from authd.cli.demo.scenario import ADMIN_ROLE, CLUSTER_ID, DEVELOPER_ROLE
from authd.cli.demo.tokens import HandSigned, Mint
from authd.core.errors import DenialReason, UnavailableReason
from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY

#: A well-formed key that belongs to no account.
_UNKNOWN_KEY = ("AKIALOSTANDFORGOTTEN", "lost0/secret+key/of+the+emulator/0000000")
#: The beginning of every ServiceAccount token: a JWT's header, here without a payload.
_FOREIGN_TOKEN = "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"  # noqa: S105  # not a credential


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The expected outcome of a token: a user name, or the reason of the denial."""

    username: str = ""
    groups: tuple[str, ...] = ()
    reason: str = "allowed"
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One caller. If `throttled`, STS throttles its call."""

    caller: str
    token: Callable[[], str]
    expected: Expected
    throttled: bool = False


def alice(mint: Mint) -> Case:
    """Return the user that is mapped from the start."""
    return Case(
        caller="alice, an IAM user", token=lambda: mint.token(ALICE_KEY),
        expected=Expected(username="alice", groups=("viewers",)),
    )  # fmt: skip


def bob(mint: Mint, *, mapped: bool) -> Case:
    """Return the user that is mapped later."""
    as_bob = Expected(username="bob", groups=("viewers",))
    return Case(
        caller="bob, an IAM user", token=lambda: mint.token(BOB_KEY),
        expected=as_bob if mapped else Expected(reason=DenialReason.IDENTITY_NOT_MAPPED),
    )  # fmt: skip


def first_cases(mint: Mint) -> tuple[Case, ...]:
    """Return the callers before the mappings change."""
    as_admin = ("-r", ADMIN_ROLE, "-s", "alice")
    as_developer = ("-r", DEVELOPER_ROLE, "-s", "alice@example.com")
    return (
        alice(mint),
        Case(
            caller="alice with -r …role/Admin", token=lambda: mint.token(ALICE_KEY, as_admin),
            expected=Expected(username="admin:alice", groups=("system:masters",)),
        ),
        Case(
            caller="alice with -r …role/team/Developer", token=lambda: mint.token(ALICE_KEY, as_developer),
            expected=Expected(username="alice@example.com", groups=("developers",)),
        ),
        bob(mint, mapped=False),
        Case(
            caller="alice, token of another cluster",
            token=lambda: mint.token(ALICE_KEY, cluster_id=f"not-{CLUSTER_ID}"),
            expected=Expected(reason=DenialReason.SIGNATURE_MISMATCH),
        ),
        Case(
            caller="an access key unknown to AWS", token=lambda: mint.token(_UNKNOWN_KEY),
            expected=Expected(reason=DenialReason.UNKNOWN_ACCESS_KEY),
        ),
        *_hand_signed(),
        Case(
            caller="a ServiceAccount token", token=lambda: _FOREIGN_TOKEN,
            expected=Expected(reason=DenialReason.FOREIGN_TOKEN),
        ),
        Case(
            caller="alice, while STS throttles", token=lambda: mint.token(ALICE_KEY),
            expected=Expected(reason=UnavailableReason.STS_THROTTLED, status=429), throttled=True,
        ),
    )  # fmt: skip


def _hand_signed() -> tuple[Case, ...]:
    old = HandSigned(key=ALICE_KEY, age=timedelta(minutes=20))
    future = HandSigned(key=ALICE_KEY, age=timedelta(minutes=-10))
    elsewhere = HandSigned(key=ALICE_KEY, host="sts.us-east-1.amazonaws.com.evil.example")
    return (
        Case(
            caller="alice, signed 20 minutes ago", token=old.token,
            expected=Expected(reason=DenialReason.TOKEN_EXPIRED),
        ),
        Case(
            caller="alice, clock 10 minutes ahead", token=future.token,
            expected=Expected(reason=DenialReason.TOKEN_NOT_YET_VALID),
        ),
        Case(
            caller="alice, host is not an STS endpoint", token=elsewhere.token,
            expected=Expected(reason=DenialReason.MALFORMED_TOKEN),
        ),
    )  # fmt: skip
