from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.core.decision import ALLOWED, Decision
from authd.core.errors import DenialReason, Denied, UnavailableReason
from authd.core.kubernetes_user import KubernetesUser
from authd.core.token_review import (
    MAX_REVIEW_LENGTH,
    InvalidReview,
    ReviewEncoder,
    UserExtra,
    common_audiences,
    decode_review,
    error_text,
)

V1, V1BETA1 = "authentication.k8s.io/v1", "authentication.k8s.io/v1beta1"


def review(**changes):
    value = {"kind": "TokenReview", "apiVersion": V1, "spec": {"token": "t"}, **changes}
    return json.dumps({name: part for name, part in value.items() if part is not None}).encode()


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_both_versions_are_parsed(version):
    """A TokenReview of either version has its version, token and audiences. Other members are ignored."""
    body = review(
        apiVersion=version, spec={"token": "k8s-aws-v1.x", "audiences": ["a", "b"]}, status={"user": {}}, metadata={}
    )
    request = decode_review(body)
    assert (request.api_version, request.token, request.audiences) == (version, "k8s-aws-v1.x", ("a", "b"))


@pytest.mark.parametrize("audiences", [None, []])
def test_empty_audiences(audiences):
    """A missing, null or empty list requests no audience."""
    assert decode_review(review(spec={"token": "t", "audiences": audiences})).audiences == ()
    assert decode_review(review()).audiences == ()


def test_a_reviews_repr_has_no_token():
    """The repr of a review has only its version."""
    assert repr(decode_review(review(spec={"token": "secret"}))) == f"<ReviewRequest {V1}>"


VERSIONS = f"the body is not a TokenReview of {V1} or {V1BETA1}"
NO_TOKEN = "the TokenReview has no spec.token"
AUDIENCES = "the TokenReview's spec.audiences is not a short list of strings"
#: Lists of audiences that end in the middle.
BROKEN_LISTS = ['["a",]', '["a","]', '["a","b]', '["a""b"]', '["a","b",]', '[,"a"]']


def usual(audiences):
    """Write a TokenReview as kube-apiserver does, with the given JSON of its audiences."""
    return (
        f'{{"kind":"TokenReview","apiVersion":"{V1}","metadata":{{"creationTimestamp":null}},'
        f'"spec":{{"token":"t","audiences":{audiences}}},"status":{{"user":{{}}}}}}\n'
    ).encode()


REFUSED = [
    (b"", "the body is not a TokenReview: not strict JSON in UTF-8"),
    (b"[]", "the body is not a TokenReview: not a JSON object"),
    (b"{}", VERSIONS),
    (review(kind=None), VERSIONS),
    (review(kind="tokenreview"), VERSIONS),
    (review(kind="SubjectAccessReview"), VERSIONS),
    (review(kind=["TokenReview"]), VERSIONS),
    (review(apiVersion=None), VERSIONS),
    (review(apiVersion="v1"), VERSIONS),
    (review(apiVersion="authentication.k8s.io/v2"), VERSIONS),
    (review(apiVersion="authentication.k8s.io/v1alpha1"), VERSIONS),
    (review(apiVersion="authentication.k8s.io/V1"), VERSIONS),
    (review(apiVersion=[V1]), VERSIONS),
    (review(apiVersion={V1: 1}), VERSIONS),
    (review(spec=None), NO_TOKEN),
    (review(spec="t"), NO_TOKEN),
    (review(spec=["token"]), NO_TOKEN),
    (review(spec={}), NO_TOKEN),
    (review(spec={"token": None}), NO_TOKEN),
    (review(spec={"token": ""}), NO_TOKEN),
    (review(spec={"token": 5}), NO_TOKEN),
    (review(spec={"token": ["t"]}), NO_TOKEN),
    (review(spec={"Token": "t"}), NO_TOKEN),
    (review(spec={"token": "t", "audiences": "a"}), AUDIENCES),
    (review(spec={"token": "t", "audiences": {}}), AUDIENCES),
    (review(spec={"token": "t", "audiences": 0}), AUDIENCES),
    (review(spec={"token": "t", "audiences": False}), AUDIENCES),
    (review(spec={"token": "t", "audiences": ""}), AUDIENCES),
    (review(spec={"token": "t", "audiences": ["a", 1]}), AUDIENCES),
    (review(spec={"token": "t", "audiences": [None]}), AUDIENCES),
    (review(spec={"token": "t", "audiences": [["a"]]}), AUDIENCES),
    (review(spec={"token": "t", "audiences": ["a"] * 65}), AUDIENCES),
    (review().ljust(MAX_REVIEW_LENGTH + 1), "the body is not a TokenReview: longer than 65536 bytes"),
    (b'{"kind":"TokenReview","kind":"TokenReview"}', "the body is not a TokenReview: a key is duplicated"),
    *((usual(audiences), "the body is not a TokenReview: not strict JSON in UTF-8") for audiences in BROKEN_LISTS),
]


@pytest.mark.parametrize(("body", "message"), REFUSED, ids=range(len(REFUSED)))
def test_other_bodies_are_refused(body, message):
    """The error names the fault without the body's content."""
    with pytest.raises(InvalidReview) as caught:
        decode_review(body)
    assert str(caught.value) == message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_bounds_are_inclusive():
    """A review of the maximum length, and one with the maximum number of audiences, are parsed."""
    assert decode_review(review().ljust(MAX_REVIEW_LENGTH)).token == "t"
    assert len(decode_review(review(spec={"token": "t", "audiences": ["a"] * 64})).audiences) == 64


@pytest.mark.parametrize(
    ("requested", "configured", "common"),
    [
        ((), (), ()),
        (("a",), (), ()),
        ((), ("a",), ()),
        (("a",), ("a",), ("a",)),
        (("b", "a", "c"), ("a", "b"), ("b", "a")),
    ],
)
def test_common_audiences(requested, configured, common):
    """The response has the requested audiences that are configured, in the requested order."""
    assert common_audiences(requested, configured) == common


@pytest.mark.parametrize("requested", [("c",), ("A",), ("",), ("a ",), ("ab", "b")])
def test_no_common_audience_is_a_refusal(requested):
    """A token for other audiences is refused."""
    with pytest.raises(Denied) as caught:
        common_audiences(requested, ("a",))
    assert caught.value.reason is DenialReason.AUDIENCE_MISMATCH
    assert caught.value.message == "none of the requested audiences is in server.audiences"


ROLE = "arn:aws:sts::111122223333:assumed-role/Admin/me@x.org"


@pytest.fixture(scope="module")
def allowed(identities):
    return Decision(
        reason=ALLOWED,
        message="",
        reference="r",
        user=KubernetesUser(username="me", groups=("g1", "g2"), rule="m.yaml:1:1"),
        identity=identities.of(ROLE, principal_id="AROAX"),
    )


EXTRA = {
    "arn": [ROLE],
    "canonicalArn": ["arn:aws:iam::111122223333:role/Admin"],
    "sessionName": ["me@x.org"],
    "accessKeyId": ["ASIAEXAMPLE"],
    "principalId": ["AROAX"],
    "sigs.k8s.io/aws-iam-authenticator/principalId": ["AROAX"],
}


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_an_accepted_token_is_a_user(allowed, version):
    """The response has the request's version, and name, uid, groups and extra as from aws-iam-authenticator."""
    answer = json.loads(ReviewEncoder().encode(allowed, version))
    assert answer == {
        "kind": "TokenReview",
        "apiVersion": version,
        "status": {
            "authenticated": True,
            "user": {
                "username": "me",
                "uid": "aws-iam-authenticator:111122223333:AROAX",
                "groups": ["g1", "g2"],
                "extra": EXTRA,
            },
        },
    }


def user_of(encoder, decision):
    return json.loads(encoder.encode(decision, V1))["status"]["user"]


def test_extra_in_lower_case_or_none(allowed):
    """The keys can be lower-case, which impersonation preserves, or omitted."""
    lowercase = user_of(ReviewEncoder(user_extra=UserExtra.LOWERCASE), allowed)
    assert lowercase["extra"] == {key.lower(): value for key, value in EXTRA.items()}
    assert "extra" not in user_of(ReviewEncoder(user_extra=UserExtra.NONE), allowed)
    assert list(UserExtra) == ["standard", "lowercase", "none"]


@pytest.mark.parametrize("user_extra", UserExtra)
def test_a_scrubbed_account_is_not_named(allowed, user_extra):
    """For a caller of a scrubbed account, the response has the mapped name and groups, and no AWS identifiers."""
    encoder = ReviewEncoder(user_extra=user_extra, scrubbed_accounts=frozenset({"111122223333"}))
    answer = encoder.encode(allowed, V1)
    assert b"111122223333" not in answer
    assert b"AROAX" not in answer
    assert user_of(encoder, allowed) == {
        "username": "me",
        "uid": "aws-iam-authenticator:administrative:me",
        "groups": ["g1", "g2"],
    }
    others = ReviewEncoder(user_extra=user_extra, scrubbed_accounts=frozenset({"999999999999"}))
    assert user_of(others, allowed)["uid"] == "aws-iam-authenticator:111122223333:AROAX"


def test_audiences_are_omitted_if_empty(allowed):
    """A response without audiences does not have the key."""
    assert "audiences" not in json.loads(ReviewEncoder().encode(allowed, V1))["status"]
    values = {name: getattr(allowed, name) for name in ("reason", "message", "reference", "user", "identity")}
    answer = ReviewEncoder().encode(Decision(**values, audiences=("a", "b")), V1)
    assert json.loads(answer)["status"]["audiences"] == ["a", "b"]


@pytest.mark.parametrize("reason", [*DenialReason, *UnavailableReason])
def test_only_foreign_and_malformed_tokens_have_no_error(reason):
    """kube-apiserver caches a refusal without an error, so every refusal that may change has one."""
    decision = Decision(reason=reason, message="words", reference="0a1b2c3d")
    status = json.loads(ReviewEncoder().encode(decision, V1))["status"]
    assert status.pop("authenticated") is False
    if reason in ("foreign_token", "malformed_token"):
        assert status == {}
    else:
        assert status == {"error": f"words [{reason}, reference 0a1b2c3d]"}
        assert status["error"] == error_text(decision)


def test_an_incomplete_decision_is_refused(allowed):
    """A decision with a user but no identity, or the other way round, is a refusal."""
    for user, identity in ((allowed.user, None), (None, allowed.identity)):
        decision = Decision(reason="internal_error", message="m", reference="r", user=user, identity=identity)
        answer = ReviewEncoder().encode(decision, V1)
        assert json.loads(answer)["status"] == {"authenticated": False, "error": "m [internal_error, reference r]"}
        assert json.loads(answer)["apiVersion"] == V1


def test_responses_are_ascii(allowed, identities):
    """Names in other scripts are escaped, whatever they are."""
    user = KubernetesUser(username='ä"\n', groups=("\N{GRINNING FACE}",), rule="m.yaml:1:1")
    decision = Decision(reason=ALLOWED, message="", reference="r", user=user, identity=allowed.identity)
    answer = ReviewEncoder().encode(decision, V1)
    assert answer.isascii()
    assert b"\n" not in answer
    assert b" " not in answer
    assert user_of(ReviewEncoder(), decision)["username"] == 'ä"\n'


PARTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([V1, V1BETA1, "TokenReview"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "apiVersion", "spec", "token", "audiences"]), inner, max_size=5)
    ),
)


@given(st.binary(max_size=80) | PARTS.map(lambda value: json.dumps(value).encode()))
def test_nothing_but_invalid_review_is_ever_raised(body):
    """Every body is a review with a token, or raises `InvalidReview`."""
    try:
        request = decode_review(body)
    except InvalidReview:
        return
    assert request.token
    assert request.api_version in (V1, V1BETA1)


@given(st.sampled_from([V1, V1BETA1]), st.text(min_size=1), st.lists(st.text(max_size=8), max_size=64))
def test_reviews_round_trip(version, token, audiences):
    """Every token and list of audiences that JSON can encode is parsed unchanged."""
    body = json.dumps({"kind": "TokenReview", "apiVersion": version, "spec": {"token": token, "audiences": audiences}})
    request = decode_review(body.encode())
    assert (request.api_version, request.token, list(request.audiences)) == (version, token, audiences)


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


#: The forms of kube-apiserver up to 1.33, from 1.34 on, and without empty members.
USUAL = {
    "kind": "TokenReview",
    "apiVersion": V1,
    "metadata": {"creationTimestamp": None},
    "spec": {"token": "k8s-aws-v1.e_Y-", "audiences": ["https://kubernetes.default.svc", "b c"]},
    "status": {"user": {}},
}


def test_forms_of_kube_apiserver():
    """Every release's form is parsed, in both API versions, with and without audiences."""
    bodies = [
        compact(USUAL),
        compact(USUAL) + b"\n",
        compact(USUAL | {"metadata": {}}),
        compact({name: USUAL[name] for name in ("kind", "apiVersion", "spec", "status")}),
        compact({name: USUAL[name] for name in ("kind", "apiVersion", "spec")}),
        compact(USUAL | {"apiVersion": V1BETA1}),
        compact(USUAL | {"spec": {"token": "k8s-aws-v1.e_Y-"}}),
        compact(USUAL | {"spec": {"token": "k8s-aws-v1.e_Y-", "audiences": ["a"]}}),
        compact(USUAL | {"spec": {"token": "k8s-aws-v1.e_Y-", "audiences": ["", ","]}}),
    ]
    for body in bodies:
        value = json.loads(body)
        requested = tuple(value["spec"].get("audiences", ()))
        assert decode_review(body) == (value["apiVersion"], "k8s-aws-v1.e_Y-", requested, None)


USUAL_BYTES = compact(USUAL)


@pytest.mark.parametrize(
    "body",
    [
        b" " + USUAL_BYTES,
        USUAL_BYTES + b"\n\n",
        USUAL_BYTES.replace(b'"token":"k', b'"token":"\\u006b'),
        USUAL_BYTES.replace(b'"b c"', b'"\\"c"'),
        USUAL_BYTES.replace(b'"b c"', '"ä"'.encode()),
        USUAL_BYTES.replace(b'{"user":{}}', b'{"user":{},"a":1}'),
        USUAL_BYTES.replace(b'"metadata"', b'"other"'),
        USUAL_BYTES.replace(b"null", b"0"),
    ],
)
def test_other_spellings_of_the_same_review(body):
    """White space, escapes and unknown members have no effect."""
    expected = json.loads(body)["spec"]
    request = decode_review(body)
    assert (request.token, list(request.audiences)) == (expected["token"], expected["audiences"])


@pytest.mark.parametrize(
    "body",
    [
        USUAL_BYTES.replace(b'"token":"', b'"token":"a","token":"'),
        USUAL_BYTES.replace(b'"token":"k8s-aws-v1.e_Y-"', b'"token":""'),
        USUAL_BYTES.replace(b'"token":"k', b'"token":"\x7fk').replace(b"TokenReview", b"TokenReviews"),
        USUAL_BYTES.replace(b'"b c"', b'"b\tc"'),
        USUAL_BYTES.replace(b'"b c"', b'"b"c"'),
        USUAL_BYTES.replace(b'"b c"]', b'"b c",]'),
        USUAL_BYTES.replace(b"v1", b"v2", 1),
        compact(USUAL | {"apiVersion": ""}),
        USUAL_BYTES[:-1],
        USUAL_BYTES + b"x",
        compact(USUAL | {"spec": {"token": "t", "audiences": ["a"] * 65}}),
    ],
)
def test_near_misses_of_a_review(body):
    """A duplicate member, a control character or another version is refused."""
    with pytest.raises(InvalidReview):
        decode_review(body)


def test_a_usual_review_is_bounded():
    """A body that is too long is refused in every spelling."""
    room = MAX_REVIEW_LENGTH - len(compact(USUAL | {"spec": {"token": ""}}))
    for more, taken in ((0, True), (1, False)):
        body = compact(USUAL | {"spec": {"token": "t" * (room + more)}})
        if taken:
            assert decode_review(body).token == "t" * room
        else:
            with pytest.raises(InvalidReview):
                decode_review(body)


def test_a_federated_users_unique_id(identities):
    """The UID has the federated user's name: the account's number is the root user's. No session is reported."""
    arn = "arn:aws:sts::111122223333:federated-user/frank"
    identity = identities.of(arn, principal_id="111122223333:frank")
    decision = Decision(reason=ALLOWED, message="", reference="r", identity=identity, user=KubernetesUser("f", (), "m"))
    user = json.loads(ReviewEncoder().encode(decision, V1))["status"]["user"]
    assert user["uid"] == "aws-iam-authenticator:111122223333:111122223333:frank"
    assert user["extra"]["sessionName"] == [""]
    assert user["extra"]["principalId"] == ["111122223333:frank"]
