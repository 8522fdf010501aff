from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.core.arn import InvalidArn, parse_arn
from authd.core.caller_identity import MAX_RESPONSE_LENGTH, parse_response
from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason

A = "111122223333"
ROLE = f"arn:aws:sts::{A}:assumed-role/Admin/me@x.org"


def body(
    arn=ROLE, user_id="AROAABCDEFGH12345678:me@x.org", account=A, request_id="c6104cbe-af31-11e0-8154-cbc7ccf896c7"
):
    result = {"Account": account, "Arn": arn, "UserId": user_id}
    result = {name: value for name, value in result.items() if value is not None}
    answer = {"GetCallerIdentityResult": result, "ResponseMetadata": {"RequestId": request_id}}
    return json.dumps({"GetCallerIdentityResponse": answer}).encode()


def parse(content, *, status=200, partition="aws"):
    return parse_response(status=status, body=content, partition=partition, access_key_id="ASIAEXAMPLE")


def assert_alone(error):
    """Check that no traceback shows the cause of the error, which may contain parts of the response."""
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def unavailable(content, *, status=200, partition="aws"):
    with pytest.raises(Unavailable) as caught:
        parse(content, status=status, partition=partition)
    assert_alone(caught.value)
    return caught.value.reason, caught.value.message


def denied(content, *, status=200, partition="aws"):
    with pytest.raises(Denied) as caught:
        parse(content, status=status, partition=partition)
    assert_alone(caught.value)
    return caught.value.reason, caught.value.message


def test_an_assumed_roles_session_is_the_role():
    """The identity is the role's, with the session's name and STS's request ID in separate fields."""
    identity = parse(body())
    assert identity.arn == parse_arn(ROLE)
    assert identity.arn_text == ROLE
    assert identity.canonical_arn == f"arn:aws:iam::{A}:role/Admin"
    assert identity.key == f"arn:aws:iam::{A}:role/admin"
    assert identity.principal_id == "AROAABCDEFGH12345678"
    assert identity.access_key_id == "ASIAEXAMPLE"
    assert identity.request_id == "c6104cbe-af31-11e0-8154-cbc7ccf896c7"


@pytest.mark.parametrize(
    ("arn", "user_id", "canonical", "principal_id"),
    [
        (
            f"arn:aws:iam::{A}:user/Alice",
            "AIDAABCDEFGH12345678",
            f"arn:aws:iam::{A}:user/Alice",
            "AIDAABCDEFGH12345678",
        ),
        (f"arn:aws:iam::{A}:user/dev/Al", "AIDAX", f"arn:aws:iam::{A}:user/dev/Al", "AIDAX"),
        (f"arn:aws:iam::{A}:root", A, f"arn:aws:iam::{A}:root", A),
        (f"arn:aws:sts::{A}:federated-user/Bob", f"{A}:Bob", f"arn:aws:sts::{A}:federated-user/Bob", f"{A}:Bob"),
        (f"arn:aws:sts::{A}:assumed-role/R/i-0123", "AROAX:i-0123", f"arn:aws:iam::{A}:role/R", "AROAX"),
    ],
)
def test_every_kind_of_principal_has_its_own_user_id(arn, user_id, canonical, principal_id):
    """Users, root, federated users and sessions are parsed with the UserId that STS gives each kind."""
    identity = parse(body(arn, user_id))
    assert (identity.canonical_arn, identity.principal_id) == (canonical, principal_id)


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_the_partition_is_the_daemons(partition):
    """In each partition, only that partition's callers are accepted."""
    arn = ROLE.replace("arn:aws:", f"arn:{partition}:")
    assert parse(body(arn), partition=partition).arn.partition == partition
    wrong = (DenialReason.UNSUPPORTED_IDENTITY, f"{UNSUPPORTED}the ARN has another account or partition")
    assert denied(body(arn)) == wrong
    assert denied(body(), partition=partition) == wrong


INSTANCE = f"arn:aws:sts::{A}:assumed-role/aws:ec2-instance/i-0123456789abcdef0"


@pytest.mark.parametrize(
    ("arn", "user_id"),
    [
        (INSTANCE, f"{A}:aws:ec2-instance:i-0123456789abcdef0"),
        (f"arn:aws:sts::{A}:assumed-role/aws:lambda/x", f"{A}:aws:lambda:x"),
        (f"arn:aws:sts::{A}:self", A),
        (f"arn:aws:sts::{A}:assumed-role/A/b", "AGPAABCDEFGH12345678:b"),
        (f"arn:aws:iam::{A}:user/Alice", "ANPAABCDEFGH12345678"),
        ("", ""),
        ("x" * 4_000, "y"),
    ],
)
def test_other_kinds_of_callers_are_denied(arn, user_id):
    """Anyone can sign as such a caller, so the response is no failure of STS."""
    reason, message = denied(body(arn, user_id))
    assert reason is DenialReason.UNSUPPORTED_IDENTITY
    assert message.startswith(UNSUPPORTED)
    assert arn not in message or not arn


UNSUPPORTED = "STS names a caller that can't be mapped to a user: "
NO_ARN = (
    "not the ARN of an IAM role, user or account root, an assumed role or a federated user "
    "(such as arn:aws:iam::111122223333:role/Name)"
)
USER_ID = "UserId does not match the ARN"
WRONG_IDENTITIES = [
    (body(account="999999999999"), "the ARN has another account or partition"),
    (body(account=""), "the ARN has another account or partition"),
    (body(account=A + "\n"), "the ARN has another account or partition"),
    (body(account=int(A)), "Account is missing"),
    (body(account=None), "Account is missing"),
    (body(arn=None), "Arn is missing"),
    (body(arn=[ROLE]), "Arn is missing"),
    (body(user_id=None), "UserId is missing"),
    (body(user_id=5), "UserId is missing"),
    (body(user_id=""), USER_ID),
    (body(user_id="AROAABCD"), USER_ID),
    (body(user_id="AROAABCD:"), USER_ID),
    (body(user_id="AROA:me@x.org"), USER_ID),
    (body(user_id="AROAABCD:me@x.orgx"), USER_ID),
    (body(user_id="AROAABCD:me@xxorg"), USER_ID),
    (body(user_id="AROAABCD:ME@X.ORG"), USER_ID),
    (body(user_id="AROAABCD:you"), USER_ID),
    (body(user_id="AROAABCD:me@x.org\n"), USER_ID),
    (body(user_id="AROAabcd:me@x.org"), USER_ID),
    (body(user_id="aroaABCD:me@x.org"), USER_ID),
    (body(user_id="AIDAABCD:me@x.org"), USER_ID),
    (body(user_id=f"AROA{'A' * 125}:me@x.org"), USER_ID),
    (body(user_id="AROAABCD:x:me@x.org"), USER_ID),
    (body(user_id="AROAABCD:X:me@x.org"), USER_ID),
    (body(user_id=" AROAABCD:me@x.org"), USER_ID),
    (body(f"arn:aws:iam::{A}:user/Alice", "AROAABCD"), USER_ID),
    (body(f"arn:aws:iam::{A}:user/Alice", "AIDAABCD:Alice"), USER_ID),
    (body(f"arn:aws:iam::{A}:user/Alice", "AIDA"), USER_ID),
    (body(f"arn:aws:iam::{A}:user/Alice", "AIDAABCD\n"), USER_ID),
    (body(f"arn:aws:iam::{A}:root", "999999999999"), USER_ID),
    (body(f"arn:aws:iam::{A}:root", "000000000000"), USER_ID),
    (body(f"arn:aws:iam::{A}:root", ""), USER_ID),
    (body(f"arn:aws:sts::{A}:federated-user/Bob", "000000000000:Bob"), USER_ID),
    (body(f"arn:aws:sts::{A}:federated-user/Bob", ":Bob"), USER_ID),
    (body(f"arn:aws:iam::{A}:root", f"{A}:root"), USER_ID),
    (body(f"arn:aws:sts::{A}:federated-user/Bob", A), USER_ID),
    (body(f"arn:aws:sts::{A}:federated-user/Bob", "999999999999:Bob"), USER_ID),
    (body(f"arn:aws:sts::{A}:federated-user/B.b", f"{A}:Bob"), USER_ID),
    (body(f"arn:aws:iam::{A}:role/Admin", "AROAABCD:"), "it is a role, and only sessions of a role can sign requests"),
    (body(f"arn:aws:iam::{A}:role/Admin", "AROAABCD:me"), "it is a role, and only sessions of a role can sign requests"),
    (body("Admin"), NO_ARN),
    (b"", "not strict JSON in UTF-8"),
    (b"<GetCallerIdentityResponse/>", "not strict JSON in UTF-8"),
    (b"{}", "GetCallerIdentityResponse is missing"),
    (b'{"GetCallerIdentityResponse":[]}', "GetCallerIdentityResponse is missing"),
    (b'{"GetCallerIdentityResponse":{}}', "GetCallerIdentityResult is missing"),
    (b'{"GetCallerIdentityResponse":{"GetCallerIdentityResult":null}}', "GetCallerIdentityResult is missing"),
    (b'{"GetCallerIdentityResponse":{"AssumeRoleResult":{}}}', "GetCallerIdentityResult is missing"),
    (body() + b" " * MAX_RESPONSE_LENGTH, "longer than 16384 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "why"), WRONG_IDENTITIES, ids=range(len(WRONG_IDENTITIES)))
def test_contradictory_responses_are_refused(content, why):
    """If ARN, account, partition and UserId contradict each other, the caller is denied. A missing one is a failure."""
    if why.endswith("is missing") or "JSON" in why or "bytes" in why:
        message = f"STS's answer is not a caller identity: {why}"
        assert unavailable(content) == (UnavailableReason.STS_BAD_ANSWER, message)
    else:
        assert denied(content) == (DenialReason.UNSUPPORTED_IDENTITY, UNSUPPORTED + why)


def test_the_length_of_a_response_is_bounded():
    """Responses up to the maximum length are parsed, as identities and as errors."""
    assert MAX_RESPONSE_LENGTH == 16_384
    assert parse(body().ljust(MAX_RESPONSE_LENGTH)).principal_id
    error = b'{"Error":{"Code":"AccessDenied"}}'
    assert denied(error.ljust(MAX_RESPONSE_LENGTH), status=403)[0] is DenialReason.STS_ACCESS_DENIED
    assert unavailable(error.ljust(MAX_RESPONSE_LENGTH + 1), status=403)[0] is UnavailableReason.STS_BAD_ANSWER


@pytest.mark.parametrize("request_id", [None, 5, "", "a b", "a\n", "é", "x" * 65, ["a"], {"a": 1}])
def test_an_invalid_request_id_is_dropped(request_id):
    """A malformed request ID is dropped, because it would reach the log. The identity stays."""
    assert parse(body(request_id=request_id)).request_id == ""


@pytest.mark.parametrize("metadata", [b"", b',"ResponseMetadata":5', b',"ResponseMetadata":{}'])
def test_metadata_may_be_missing(metadata):
    """The response's metadata is optional."""
    content = body().replace(b', "ResponseMetadata": {"RequestId": "c6104cbe-af31-11e0-8154-cbc7ccf896c7"}', metadata)
    assert parse(content).request_id == ""
    assert parse(body(request_id="Z" * 64)).request_id == "Z" * 64


REFUSALS = [
    ("ExpiredToken", DenialReason.CREDENTIALS_EXPIRED, "says the caller's session has expired: sign in to AWS again"),
    ("ExpiredTokenException", DenialReason.CREDENTIALS_EXPIRED,
     "says the caller's session has expired: sign in to AWS again"),
    ("InvalidClientTokenId", DenialReason.UNKNOWN_ACCESS_KEY,
     "does not know the access key or its session token: deleted, inactive, or of another partition"),
    ("SignatureDoesNotMatch", DenialReason.SIGNATURE_MISMATCH,
     "says the signature does not match: the token is for another cluster ID, or the secret key is wrong"),
    ("AccessDenied", DenialReason.STS_ACCESS_DENIED, "denies this caller GetCallerIdentity"),
    ("RegionDisabledException", DenialReason.STS_REGION_DISABLED,
     "is not activated in this region for the caller's account: activate it, or mint with another --region"),
    ("SomethingNew", DenialReason.STS_REFUSED, "refused the request with an error of status {status}"),
    ("throttling", DenialReason.STS_REFUSED, "refused the request with an error of status {status}"),
    ("", DenialReason.STS_REFUSED, "refused the request with an error of status {status}"),
]  # fmt: skip


@pytest.mark.parametrize("status", [400, 403, 404, 499])
@pytest.mark.parametrize(("code", "reason", "words"), REFUSALS)
def test_each_refusal_has_its_reason(code, reason, words, status):
    """Each refusal by STS has a message with the next step. An unknown code is a refusal too."""
    content = json.dumps({"Error": {"Code": code, "Message": "OddWords", "Type": "Sender"}, "RequestId": "r"}).encode()
    assert denied(content, status=status) == (reason, f"STS {words.format(status=status)}")


def test_an_expired_signature_has_its_own_reason():
    """STS has one code for wrong and expired signatures, so the message decides."""
    for words in ("Signature expired: 20260301T120000Z is now earlier than", "Signature not yet current: 2026"):
        content = json.dumps({"Error": {"Code": "SignatureDoesNotMatch", "Message": words}}).encode()
        message = "STS says the signature has expired or is not valid yet"
        assert denied(content, status=403) == (DenialReason.SIGNATURE_EXPIRED, message)
    for words in ("The request signature we calculated does not match", "Signature", "", None, ["Signature expired"]):
        content = json.dumps({"Error": {"Code": "SignatureDoesNotMatch", "Message": words}}).encode()
        assert denied(content, status=403)[0] is DenialReason.SIGNATURE_MISMATCH
    content = json.dumps({"Error": {"Code": "AccessDenied", "Message": "Signature expired"}}).encode()
    assert denied(content, status=403)[0] is DenialReason.STS_ACCESS_DENIED
    content = json.dumps({"Error": {"Code": "Unknown", "Message": "Signature expired"}}).encode()
    assert denied(content, status=403)[0] is DenialReason.STS_REFUSED


THROTTLING = ["Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "RequestLimitExceeded", "TooManyRequestsException", "LimitExceededException", "SlowDown"]  # fmt: skip
PASSING = ["InternalFailure", "InternalError", "ServiceUnavailable", "RequestTimeout"]


@pytest.mark.parametrize("status", [400, 403, 499])
def test_a_temporary_failure_is_no_refusal(status):
    """Throttling and STS's own errors say nothing about the caller."""
    for code in THROTTLING:
        content = json.dumps({"Error": {"Code": code}}).encode()
        assert unavailable(content, status=status) == (UnavailableReason.STS_THROTTLED, "STS is throttling")
    for code in PASSING:
        content = json.dumps({"Error": {"Code": code}}).encode()
        assert unavailable(content, status=status) == (UnavailableReason.STS_ERROR, f"STS answered {code}")


DENYING = json.dumps({"Error": {"Code": "AccessDenied"}}).encode()


@pytest.mark.parametrize("content", [b"", body(), DENYING])
def test_some_statuses_need_no_body(content):
    """429 and 5xx are temporary failures, whatever the body is."""
    assert unavailable(content, status=429) == (UnavailableReason.STS_THROTTLED, "STS is throttling")
    for status in (500, 502, 503, 504, 599, 600, 999):
        assert unavailable(content, status=status) == (
            UnavailableReason.STS_ERROR,
            f"STS answered with status {status}",
        )


@pytest.mark.parametrize("content", [b"", body(), DENYING])
@pytest.mark.parametrize("status", [0, 100, 199, 201, 202, 204, 206, 299, 300, 301, 302, 304, 307, 308, 399])
def test_unexpected_statuses_are_failures(status, content):
    """A response with any other status is neither an identity nor a refusal."""
    message = f"STS answered with status {status} and a body that is not an STS error"
    assert unavailable(content, status=status) == (UnavailableReason.STS_BAD_ANSWER, message)


NO_ERRORS = [b"", b"{}", b"[]", b"<ErrorResponse/>", b'{"Error":null}', b'{"Error":"AccessDenied"}', b'{"Error":[]}',
    b'{"Error":{}}', b'{"Error":{"Code":5}}', b'{"Error":{"Code":null}}', b'{"Error":{"Code":["AccessDenied"]}}',
    b'{"error":{"code":"AccessDenied"}}', b'{"Error":{"Code":"AccessDenied","Code":"AccessDenied"}}',
    b'{"Error":{"Code":"AccessDenied"}} x', body()]  # fmt: skip


@pytest.mark.parametrize("content", NO_ERRORS, ids=range(len(NO_ERRORS)))
@pytest.mark.parametrize("status", [400, 401, 403, 407, 413, 431])
def test_foreign_error_pages_are_no_refusal(status, content):
    """An error page from a proxy or a hostile server is a temporary failure, never a refusal."""
    message = f"STS answered with status {status} and a body that is not an STS error"
    assert unavailable(content, status=status) == (UnavailableReason.STS_BAD_ANSWER, message)


def test_the_values_of_templates():
    """`SessionName` has `-` in place of `@`. All other values are unchanged from STS or the token."""
    assert parse(body()).template_values == {
        "AccountID": A,
        "SessionName": "me-x.org",
        "SessionNameRaw": "me@x.org",
        "AccessKeyID": "ASIAEXAMPLE",
    }
    user = parse(body(f"arn:aws:iam::{A}:user/Alice", "AIDAX"))
    assert user.template_values["SessionName"] == user.template_values["SessionNameRaw"] == ""


ACCOUNTS = st.from_regex(r"[0-9]{12}", fullmatch=True)
NAMES = st.text(alphabet="ABCabc01_+=,.@-", min_size=1, max_size=20)
IDS = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=17)
PARTITIONS = st.sampled_from(["aws", "aws-cn", "aws-us-gov"])


@st.composite
def callers(draw):
    """Draw partition, account, ARN and UserId of one caller, as STS would give them."""
    partition, account, name, session, unique = (draw(s) for s in (PARTITIONS, ACCOUNTS, NAMES, NAMES, IDS))
    return draw(
        st.sampled_from(
            [
                (
                    partition,
                    account,
                    f"arn:{partition}:sts::{account}:assumed-role/{name}/{session}",
                    f"AROA{unique}:{session}",
                ),
                (partition, account, f"arn:{partition}:iam::{account}:user/{name}", f"AIDA{unique}"),
                (partition, account, f"arn:{partition}:iam::{account}:root", account),
                (partition, account, f"arn:{partition}:sts::{account}:federated-user/{name}", f"{account}:{name}"),
            ]
        )
    )


@given(callers(), callers(), st.tuples(*[st.booleans()] * 4))
def test_inconsistent_identities_are_refused(one, other, mixed):
    """A mixture of two callers' responses is accepted only if it is consistent for one caller."""
    partition, account, arn, user_id = (
        second if swap else first for first, second, swap in zip(one, other, mixed, strict=True)
    )
    try:
        identity = parse(body(arn, user_id, account), partition=partition)
    except Denied:
        assert len(set(mixed)) == 2  # one caller's own parts always agree
        return
    assert identity.arn.account == account == arn.split(":")[4]
    assert identity.arn.partition == partition == arn.split(":")[1]
    resource = arn.split(":")[5]
    begins, _, tail = user_id.partition(":")
    assert tail == (resource.split("/")[-1] if "sts" in arn.split(":")[2] else "")
    expected = {"assumed-role": "AROA", "user": "AIDA", "root": account, "federated-user": account}[
        resource.split("/")[0]
    ]
    assert begins.startswith(expected)
    assert identity.principal_id == (user_id if identity.arn.kind == "federated-user" else begins)
    assert identity.session_name == (tail if "assumed-role" in arn else "")


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.sampled_from([ROLE, A, "AROAX:me@x.org", "AccessDenied"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["GetCallerIdentityResponse", "GetCallerIdentityResult", "ResponseMetadata", "RequestId", "Error", "Code",
             "Message", "Arn", "Account", "UserId"]
        ),
        inner,
        max_size=4,
    ),
)  # fmt: skip


@given(st.binary(max_size=100) | JSON_LIKE.map(lambda value: json.dumps(value).encode()), st.integers(0, 999))
def test_nothing_but_denied_and_unavailable_is_ever_raised(content, status):
    """Every response is an identity, a refusal or a temporary failure."""
    try:
        identity = parse(content, status=status)
    except Denied:
        assert status == 200 or 400 <= status < 500
    except Unavailable:
        pass
    else:
        assert status == 200
        with pytest.raises(InvalidArn):
            parse_arn(identity.principal_id)


@pytest.mark.parametrize(
    ("place", "characters"),
    [
        ("|ROAX:me@x.org", "A"),
        ("A|OAX:me@x.org", "R"),
        ("AR|AX:me@x.org", "O"),
        ("ARO|X:me@x.org", "A"),
        ("AROA|:me@x.org", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
        ("AROAX|me@x.org", ":"),
        ("AROAX:me|x.org", "@"),
        ("AROAX:me@x|org", "."),
    ],
)
def test_each_place_of_a_user_id_accepts_only_its_characters(place, characters):
    """Each place accepts all characters of its grammar, and no other of the first 256."""
    for character in [*map(chr, range(256)), "\u0131", "\u017f", "\u212a", "\u0661", "\uff11"]:
        content = body(user_id=place.replace("|", character))
        if character in characters:
            parse(content)
        else:
            assert denied(content)[0] is DenialReason.UNSUPPORTED_IDENTITY


@pytest.mark.parametrize(
    ("place", "characters"),
    [
        ("|IDAX", "A"),
        ("A|DAX", "I"),
        ("AI|AX", "D"),
        ("AID|X", "A"),
        ("AIDA|", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
        ("AIDAX|", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
    ],
)
def test_a_users_id_is_capitals_and_digits(place, characters):
    """An IAM user's ID consists of capital letters and digits, without a session name."""
    for character in [*map(chr, range(256)), "\u0131", "\u017f", "\u212a", "\u0661", "\uff11"]:
        content = body(f"arn:aws:iam::{A}:user/Alice", place.replace("|", character))
        if character in characters:
            parse(content)
        else:
            assert denied(content)[0] is DenialReason.UNSUPPORTED_IDENTITY


@pytest.mark.parametrize(
    ("arn", "kind", "end"), [(ROLE, "AROA", ":me@x.org"), (f"arn:aws:iam::{A}:user/Alice", "AIDA", "")]
)
def test_a_unique_id_has_its_length(arn, kind, end):
    """A unique ID has 1 to 124 characters after its prefix, and nothing before it."""
    for length in (1, 2, 123, 124):
        assert parse(body(arn, kind + "Z" * length + end)).principal_id == kind + "Z" * length
    for wrong in (kind, kind + "Z" * 125, "Z" + kind + "Z", kind.lower() + "Z", kind + "z"):
        assert denied(body(arn, wrong + end))[0] is DenialReason.UNSUPPORTED_IDENTITY


def test_each_character_of_a_request_id():
    """A request ID has letters, digits and hyphens. With any other character it is dropped."""
    for character in [*map(chr, range(256)), "\u0131", "\u0661"]:
        kept = (character.isascii() and character.isalnum()) or character == "-"
        assert parse(body(request_id=f"a{character}")).request_id == (f"a{character}" if kept else "")
        assert parse(body(request_id=character)).request_id == (character if kept else "")


#: As STS writes it.
USUAL = json.dumps(json.loads(body()), separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"Arn":"', b'"Arn":"a","Arn":"'),
        (b'"Account":"1', b'"Account":"2'),
        (b"aws:sts", b"aws-cn:sts"),
        (b"AROA", b"AIDA"),
        (b"me@x.org", b"me@x\\u002eorg\x00"),
        (b"}}}", b"}}"),
        (b"}}}", b"}}}}"),
        (b'"}}}', b'"}}} x'),
        (b'"UserId"', b'"userId"'),
        (b"GetCallerIdentityResult", b"GetCallerIdentityResul"),
    ],
)
def test_near_misses_of_an_identity(old, new):
    """A response with one changed part gives no identity."""
    changed = USUAL.replace(old, new)
    assert changed != USUAL
    with pytest.raises((Denied, Unavailable)):
        parse(changed)


def test_a_usual_response_is_bounded():
    """A response that is too long is refused in every spelling."""
    long = USUAL.replace(b"c6104cbe", b"c" * (MAX_RESPONSE_LENGTH - len(USUAL) + 8))
    assert parse(long).request_id == ""
    assert unavailable(long.replace(b"cccc", b"ccccc", 1))[0] is UnavailableReason.STS_BAD_ANSWER


@pytest.mark.parametrize("metadata", [None, [], "x", {"RequestId": None}, {"RequestId": 7}])
def test_a_request_id_must_be_a_string(metadata):
    """A request ID of another type is dropped."""
    answer = json.loads(body())
    answer["GetCallerIdentityResponse"]["ResponseMetadata"] = metadata
    assert parse(json.dumps(answer).encode()).request_id == ""
