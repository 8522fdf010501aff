from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from authd.emulator.directory.directory import AccessKey, Directory
from authd.emulator.directory.principals import Role, Root, User
from authd.emulator.directory.sample import (
    ACCOUNT,
    ALICE_KEY,
    BOB_KEY,
    EXTERNAL_ID,
    FEDERATED_KEY,
    FEDERATED_TOKEN,
    MALLORY_KEY,
    MFA_CODE,
    MFA_SERIAL,
    OTHER_ACCOUNT,
    ROOT_KEY,
    WEB_IDENTITY_TOKEN,
)
from authd.emulator.sts.actions import STS, Result
from authd.emulator.sts.errors import STSError
from authd.emulator.sts.request import WireRequest

Post = Callable[..., WireRequest]


def form(action: str, **parameters: str) -> str:
    return urlencode({"Action": action, "Version": "2011-06-15", **parameters})


def assume(sts: STS, post: Post, role: str, key: tuple[str, ...] = ALICE_KEY, **parameters: str) -> Result:
    parameters = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{role}", "RoleSessionName": "a-session"} | parameters
    return sts.execute(post(form("AssumeRole", **parameters), key))


def session_key(result: Result) -> tuple[str, str, str]:
    credentials = result.fields["Credentials"]
    return tuple(credentials[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))


def whoami(sts: STS, post: Post, key: tuple[str, ...]) -> tuple[str, str, str]:
    fields = sts.execute(post(form("GetCallerIdentity"), key)).fields
    return fields["Account"], fields["Arn"], fields["UserId"]


@pytest.mark.parametrize(
    ("key", "arn", "user_id"),
    [
        (ALICE_KEY, f"arn:aws:iam::{ACCOUNT}:user/team/alice", "AIDA"),
        (BOB_KEY, f"arn:aws:iam::{ACCOUNT}:user/bob", "AIDA"),
        (ROOT_KEY, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT),
        ((*FEDERATED_KEY, FEDERATED_TOKEN), f"arn:aws:sts::{ACCOUNT}:federated-user/carol", f"{ACCOUNT}:carol"),
    ],
)
def test_caller_identity(sts: STS, post: Post, key: tuple[str, ...], arn: str, user_id: str) -> None:
    """Users, the root user and federated users have the ARNs that STS gives each kind."""
    account, given_arn, given_id = whoami(sts, post, key)
    assert (account, given_arn) == (ACCOUNT, arn)
    assert given_id.startswith(user_id)
    if user_id == "AIDA":
        assert len(given_id) == 21


def test_assumed_role(sts: STS, post: Post) -> None:
    """A session's ARN has the role, without its path, and the session name."""
    account, arn, user_id = whoami(sts, post, session_key(assume(sts, post, "team/Developer")))
    assert (account, arn) == (ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/Developer/a-session")
    role_id, _, session = user_id.partition(":")
    assert (role_id[:4], len(role_id), session) == ("AROA", 21, "a-session")


def test_temporary_credentials(sts: STS, post: Post) -> None:
    """Credentials of AssumeRole have STS's form: an ASIA key, a secret of 40 characters, a long token."""
    key_id, secret, token = session_key(assume(sts, post, "Admin"))
    assert (key_id[:4], len(key_id), len(secret)) == ("ASIA", 20, 40)
    assert 600 <= len(token) <= 1000
    assert token.startswith("IQoJb3JpZ2lu")


def test_role_chaining(sts: STS, post: Post) -> None:
    """A session may assume a role in another account that trusts its role, for an hour at most."""
    admin = session_key(assume(sts, post, "Admin"))
    deployer = f"arn:aws:iam::{OTHER_ACCOUNT}:role/Deployer"
    chained = session_key(assume(sts, post, "", admin, RoleArn=deployer))
    assert whoami(sts, post, chained)[1] == f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/Deployer/a-session"
    with pytest.raises(STSError) as caught:
        assume(sts, post, "Long", admin, DurationSeconds="3601")
    assert "role chaining" in caught.value.message
    with pytest.raises(STSError) as caught:
        assume(sts, post, "", ALICE_KEY, RoleArn=deployer)
    assert caught.value.code == "AccessDenied"


@pytest.mark.parametrize("part", [0, 1, 2])
def test_mixed_credentials(sts: STS, post: Post, part: int) -> None:
    """A key ID, secret or session token of another session is refused."""
    mine, other = list(session_key(assume(sts, post, "Admin"))), session_key(assume(sts, post, "Admin"))
    mine[part] = other[part]
    with pytest.raises(STSError) as caught:
        whoami(sts, post, tuple(mine))
    assert caught.value.code == ("SignatureDoesNotMatch" if part == 1 else "InvalidClientTokenId")


@pytest.mark.parametrize(
    "token",
    ["", "x", "====", "A" * 760, "IQoJb3JpZ2luXw==", None],
    ids=["empty", "x", "padding", "long", "head", "none"],
)
def test_foreign_session_token(sts: STS, post: Post, token: str | None) -> None:
    """A missing or foreign session token is InvalidClientTokenId."""
    key_id, secret, _ = session_key(assume(sts, post, "Admin"))
    key = (key_id, secret) if token is None else (key_id, secret, token)
    with pytest.raises(STSError) as caught:
        whoami(sts, post, key)
    assert caught.value.code == "InvalidClientTokenId"
    assert caught.value.message == "The security token included in the request is invalid."


def test_reencoded_session_token(sts: STS, post: Post) -> None:
    """A session token in another base64 encoding of the same bytes is refused."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for _ in range(20):
        key_id, secret, token = session_key(assume(sts, post, "Admin", RoleSessionName="x" * (2 + _)))
        if token.endswith("="):
            body = token.rstrip("=")
            respelled = body[:-1] + alphabet[alphabet.index(body[-1]) ^ 1] + "=" * (len(token) - len(body))
            with pytest.raises(STSError):
                whoami(sts, post, (key_id, secret, respelled))


def test_session_token_with_a_users_key(sts: STS, post: Post) -> None:
    """A user's own key is refused with a session token."""
    with pytest.raises(STSError) as caught:
        whoami(sts, post, (*ALICE_KEY, "x"))
    assert caught.value.code == "InvalidClientTokenId"


def test_expired_session(sts: STS, clock, post: Post) -> None:
    """An expired session with a valid signature is ExpiredToken."""
    clock.offset = -250
    key = session_key(assume(sts, post, "Admin", DurationSeconds="900"))
    request = post(form("GetCallerIdentity"), key)
    clock.offset = 640
    assert sts.execute(request)
    clock.offset = 660
    with pytest.raises(STSError) as caught:
        sts.execute(request)
    assert (caught.value.code, caught.value.status) == ("ExpiredToken", 403)
    assert caught.value.message == "The security token included in the request is expired"


def test_unknown_key_of_no_role(sts: STS, post: Post) -> None:
    """A session of a role that was removed from the directory is refused."""
    key = session_key(assume(sts, post, "Admin"))
    sts.directory = Directory.of()
    with pytest.raises(STSError) as caught:
        whoami(sts, post, key)
    assert caught.value.code == "InvalidClientTokenId"


@pytest.mark.parametrize(
    ("role", "key", "parameters"),
    [
        ("Closed", ALICE_KEY, {}),
        ("Missing", ALICE_KEY, {}),
        ("Developer", ALICE_KEY, {}),
        ("Admin", MALLORY_KEY, {}),
        ("Partner", MALLORY_KEY, {}),
        ("Partner", MALLORY_KEY, {"ExternalId": "somebody-else"}),
        ("Guarded", ALICE_KEY, {}),
        ("Pipeline", ALICE_KEY, {}),
    ],
)
def test_untrusted(sts: STS, post: Post, role: str, key: tuple[str, str], parameters: dict[str, str]) -> None:
    """A caller not allowed by the role's trust policy gets AccessDenied with STS's message."""
    with pytest.raises(STSError) as caught:
        assume(sts, post, role, key, **parameters)
    who = (
        f"arn:aws:iam::{OTHER_ACCOUNT}:user/mallory"
        if key == MALLORY_KEY
        else f"arn:aws:iam::{ACCOUNT}:user/team/alice"
    )
    assert (caught.value.code, caught.value.status) == ("AccessDenied", 403)
    assert caught.value.message == (
        f"User: {who} is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::{ACCOUNT}:role/{role}"
    )


def test_conditions_met(sts: STS, post: Post) -> None:
    """Anybody may assume Partner with the right external ID, and Guarded with the right MFA code."""
    assert assume(sts, post, "Partner", MALLORY_KEY, ExternalId=EXTERNAL_ID)
    assert assume(sts, post, "Guarded", SerialNumber=MFA_SERIAL, TokenCode=MFA_CODE)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"SerialNumber": MFA_SERIAL, "TokenCode": "654321"}, "invalid MFA one time pass code"),
        ({"SerialNumber": MFA_SERIAL}, "invalid MFA one time pass code"),
        ({"SerialNumber": MFA_SERIAL + "x", "TokenCode": MFA_CODE}, "unable to validate MFA code"),
        ({"TokenCode": MFA_CODE}, "unable to validate MFA code"),
    ],
)
def test_mfa(sts: STS, post: Post, parameters: dict[str, str], words: str) -> None:
    """A wrong MFA serial or code is AccessDenied and names the parameter."""
    with pytest.raises(STSError, match="AccessDenied") as caught:
        assume(sts, post, "Guarded", **parameters)
    assert words in caught.value.message


def test_root_assumes_nothing(sts: STS, post: Post) -> None:
    """The root user can't assume a role."""
    with pytest.raises(STSError) as caught:
        assume(sts, post, "Admin", ROOT_KEY)
    assert caught.value.message == "Roles may not be assumed by root accounts."


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"RoleSessionName": "x"}, "length greater than or equal to 2"),
        ({"RoleSessionName": "x" * 65}, "length less than or equal to 64"),
        ({"RoleSessionName": "two words"}, "regular expression pattern"),
        ({"RoleSessionName": "slash/ed"}, "regular expression pattern"),
        ({"RoleSessionName": "ünïcode"}, "regular expression pattern"),
        ({"RoleSessionName": ""}, "must not be null"),
        ({"RoleArn": ""}, "must not be null"),
        ({"RoleArn": "Admin"}, "Admin is invalid"),
        ({"DurationSeconds": "899"}, "greater than or equal to 900"),
        ({"DurationSeconds": "43201"}, "less than or equal to 43200"),
        ({"DurationSeconds": "3601"}, "MaxSessionDuration set for this role"),
    ],
)
def test_bad_parameters(sts: STS, post: Post, parameters: dict[str, str], words: str) -> None:
    """A parameter that breaks the API's rules is a ValidationError that names the rule."""
    with pytest.raises(STSError) as caught:
        assume(sts, post, "Admin", **parameters)
    assert (caught.value.code, caught.value.status) == ("ValidationError", 400)
    assert words in caught.value.message


@pytest.mark.parametrize("text", ["abc", "-900", "1e3", "１０００", "9999999999"])
def test_duration_is_a_number(sts: STS, post: Post, text: str) -> None:
    """DurationSeconds consists of digits."""
    with pytest.raises(STSError, match="MalformedInput"):
        assume(sts, post, "Admin", DurationSeconds=text)


def test_long_sessions(sts: STS, post: Post, clock) -> None:
    """The longest session of a role is granted, with its expiration."""
    result = assume(sts, post, "Long", DurationSeconds="43200")
    assert abs(result.fields["Credentials"]["Expiration"].timestamp() - clock() - 43_200) < 5


def test_source_identity(sts: STS, post: Post) -> None:
    """SourceIdentity is returned."""
    assert assume(sts, post, "Admin", SourceIdentity="alice").fields["SourceIdentity"] == "alice"


def web_identity(sts: STS, **parameters: str) -> Result:
    parameters = {
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Pipeline",
        "RoleSessionName": "ci",
        "WebIdentityToken": WEB_IDENTITY_TOKEN,
    } | parameters
    body = form("AssumeRoleWithWebIdentity", **parameters).encode()
    return sts.execute(WireRequest(method=b"POST", target=b"/", headers=((b"host", b"sts.amazonaws.com"),), body=body))


def test_web_identity(sts: STS, post: Post) -> None:
    """A web identity token assumes its role without a signature."""
    result = web_identity(sts)
    assert result.fields["SubjectFromWebIdentityToken"] == "system:serviceaccount:ci:pipeline"
    assert whoami(sts, post, session_key(result))[1] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Pipeline/ci"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"WebIdentityToken": "another"}, "InvalidIdentityToken"),
        ({"WebIdentityToken": ""}, "ValidationError"),
        ({"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Admin"}, "AccessDenied"),
        ({"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Missing"}, "AccessDenied"),
        ({"DurationSeconds": "3601"}, "ValidationError"),
    ],
)
def test_wrong_web_identity(sts: STS, parameters: dict[str, str], code: str) -> None:
    """An unknown token, or a role that the token does not allow, is refused."""
    with pytest.raises(STSError, match=code):
        web_identity(sts, **parameters)


def test_disabled_region(sts: STS, post: Post) -> None:
    """In a region that is disabled for an account, only this account gets RegionDisabledException."""
    there = {"host": "sts.ap-east-1.amazonaws.com", "region": "ap-east-1"}
    with pytest.raises(STSError) as caught:
        sts.execute(post(form("GetCallerIdentity"), MALLORY_KEY, **there))
    assert caught.value.code == "RegionDisabledException"
    assert sts.execute(post(form("GetCallerIdentity"), ALICE_KEY, **there))
    assert sts.execute(post(form("GetCallerIdentity"), MALLORY_KEY))


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ("Action=DecodeEverything&Version=2011-06-15", "InvalidAction", 400),
        ("Action=GetCallerIdentity&Version=2010-05-08", "InvalidAction", 400),
        ("Action=GetCallerIdentity", "InvalidAction", 400),
        ("Version=2011-06-15", "MissingAction", 400),
        ("", "MissingAction", 400),
        ("Action=GetCallerIdentity&Action=AssumeRole&Version=2011-06-15", "MalformedQueryString", 404),
    ],
)
def test_unknown_action(sts: STS, post: Post, body: str, code: str, status: int) -> None:
    """An action that is unknown, of another version, missing or repeated is refused."""
    with pytest.raises(STSError) as caught:
        sts.execute(post(body))
    assert (caught.value.code, caught.value.status) == (code, status)


def test_other_path(sts: STS, post: Post) -> None:
    """Another path is not found, even with a valid signature."""
    with pytest.raises(STSError) as caught:
        sts.execute(post(form("GetCallerIdentity"), target="/other"))
    assert caught.value.status == 404


def test_other_partition(clock, post: Post) -> None:
    """ARNs have the directory's partition."""
    role = Role(account=ACCOUNT, name="Ops", trusts=frozenset({"*"}))
    key = AccessKey(key_id=BOB_KEY[0], secret=BOB_KEY[1], owner=User(account=ACCOUNT, name="bob"))
    sts = STS(Directory.of(partition="aws-cn", keys=[key], roles=[role]), now=clock)
    assert whoami(sts, post, BOB_KEY)[1] == f"arn:aws-cn:iam::{ACCOUNT}:user/bob"
    result = assume(sts, post, "", BOB_KEY, RoleArn=f"arn:aws-cn:iam::{ACCOUNT}:role/Ops")
    assert result.fields["AssumedRoleUser"]["Arn"] == f"arn:aws-cn:sts::{ACCOUNT}:assumed-role/Ops/a-session"


def test_session_token_length(clock, post: Post) -> None:
    """The directory sets the length of session tokens."""
    key = AccessKey(key_id=BOB_KEY[0], secret=BOB_KEY[1], owner=User(account=ACCOUNT, name="bob"))
    role = Role(account=ACCOUNT, name="Ops", trusts=frozenset({"*"}))
    sts = STS(Directory.of(keys=[key], roles=[role], session_token_length=3000), now=clock)
    token = session_key(assume(sts, post, "Ops", BOB_KEY))[2]
    assert 2990 <= len(token) <= 3010
    assert whoami(sts, post, session_key(assume(sts, post, "Ops", BOB_KEY)))


def test_nothing_secret_is_shown(sts: STS, post: Post) -> None:
    """The text of keys, requests and errors contains no secret."""
    key = AccessKey(key_id=ALICE_KEY[0], secret=ALICE_KEY[1], owner=Root(account=ACCOUNT))
    request = post(form("GetCallerIdentity"))
    result = assume(sts, post, "Admin")
    shown = f"{key!r} {request!r} {result!r} {sts.directory!r}"
    assert ALICE_KEY[1] not in shown
    assert "Signature" not in shown
    assert WEB_IDENTITY_TOKEN not in shown
    assert session_key(result)[2] not in shown
