from __future__ import annotations

import base64
import hashlib

import pytest

from authd.core.errors import DenialReason, Denied
from authd.core.token import (
    DEFAULT_MAX_TOKEN_LENGTH,
    MAX_CLOCK_LEAD,
    PREFIX,
    SIGNATURE_LIFETIME,
    check_prefix,
    digest,
    parse_token,
)


def refusal(token, hosts, now, **options):
    with pytest.raises(Denied) as caught:
        parse_token(token, hosts=hosts, now=now, **options)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


def test_a_valid_token_is_parsed(tokens, hosts):
    """A valid token is parsed into its parts, and the request is rebuilt in a fixed order."""
    token = tokens.token()
    request = parse_token(token, hosts=hosts, now=tokens.now)
    assert request.host == "sts.us-east-1.amazonaws.com"
    assert request.region == "us-east-1"
    assert request.access_key_id == "AKIAIOSFODNN7EXAMPLE"
    assert request.date == tokens.now
    assert type(request.date) is int
    assert request.expiry == tokens.now + 900
    assert request.digest == hashlib.sha256(token.encode()).hexdigest()
    assert request.target == "/?" + "&".join(sorted(f"{name}={value}" for name, value in tokens.parameters.items()))


def test_parameters_may_have_any_order(tokens, hosts):
    """Official clients order the parameters differently. The request to STS has one order."""
    changed = dict(reversed(tokens.parameters.items()))
    url = "https://sts.us-east-1.amazonaws.com/?" + "&".join(f"{name}={value}" for name, value in changed.items())
    target = parse_token(tokens.encode(url), hosts=hosts, now=tokens.now).target
    assert target == parse_token(tokens.token(), hosts=hosts, now=tokens.now).target


def test_a_session_token_is_unchanged(tokens, hosts):
    """The session token is passed on byte for byte, including its escapes."""
    spelled = "IQoJb3JpZ2luX2VjE%2Fabc%2BDEF._~-09%3D%3D"
    request = parse_token(tokens.token({"X-Amz-Security-Token": spelled}), hosts=hosts, now=tokens.now)
    assert f"&X-Amz-Security-Token={spelled}&" in request.target


@pytest.mark.parametrize("session_token", ["A" * 400, "%2F" * 400, "A%2B" * 400], ids=["plain", "escapes", "both"])
def test_a_long_session_token_does_not_backtrack(tokens, hosts, session_token):
    """An error after a long session token is found in linear time."""
    token = tokens.token({"X-Amz-Security-Token": session_token, "X-Amz-Signature": "x"})
    assert "X-Amz-Signature" in refusal(token, hosts, tokens.now).message


def test_credentials_identify_the_signer(tokens, hosts):
    """Requests of one signer have the same `credentials`. Another key or session token changes them."""

    def credentials(key="AKIAIOSFODNN7EXAMPLE", session_token=None, **changes):
        scope = f"{key}%2F20260301%2Fus-east-1%2Fsts%2Faws4_request"
        token = tokens.token({"X-Amz-Credential": scope, "X-Amz-Security-Token": session_token, **changes})
        return parse_token(token, hosts=hosts, now=tokens.now).credentials

    assert credentials() == hashlib.sha256(b"AKIAIOSFODNN7EXAMPLE&").hexdigest()
    assert credentials(session_token="a%2Fb") == hashlib.sha256(b"AKIAIOSFODNN7EXAMPLE&a%2Fb").hexdigest()
    assert credentials() == credentials(**{"X-Amz-Signature": "f" * 64, "X-Amz-Expires": "900"})
    others = [
        credentials(),
        credentials("AKIAIOSFODNN7EXAMPLF"),
        credentials(session_token="a"),
        credentials(session_token="b"),
    ]
    assert len({*others}) == 4


def test_a_known_digest_is_not_computed_again(tokens, hosts):
    """The caller may pass a token's digest."""
    assert parse_token(tokens.token(), hosts=hosts, now=tokens.now, token_digest="d" * 64).digest == "d" * 64


def test_a_requests_repr_has_no_secret(tokens, hosts):
    """The repr has the beginning of the digest and the host, but no signature and no key."""
    request = parse_token(tokens.token(), hosts=hosts, now=tokens.now)
    assert repr(request) == f"<PresignedRequest {request.digest[:12]} to sts.us-east-1.amazonaws.com>"
    assert str(request) == repr(request)


FOREIGN = ["", "x", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "k8s-aws-v1", "k8s-aws-v2.aHR0", "K8S-AWS-V1.aHR0", " k8s-aws-v1.aHR0",
    "\ufeffk8s-aws-v1.aHR0", "k8s-aws-v1\u3002aHR0", "bearer k8s-aws-v1.aHR0", "k8s-aws-v1-aHR0", "ｋ8s-aws-v1.aHR0"]  # fmt: skip


@pytest.mark.parametrize("token", FOREIGN)
def test_tokens_without_the_prefix_are_foreign(hosts, token):
    """A token without the exact prefix is foreign, both for `check_prefix` and for the parser."""
    error = refusal(token, hosts, 0)
    assert (error.reason, error.message) == (DenialReason.FOREIGN_TOKEN, "not an AWS IAM token")
    with pytest.raises(Denied, match=r"^not an AWS IAM token$"):
        check_prefix(token)


def test_the_prefix_check_looks_at_nothing_else():
    """A token with the prefix passes `check_prefix`, even if the rest is broken."""
    check_prefix(PREFIX)
    check_prefix(PREFIX + "\x00")


GOOD_URL_LENGTHS = (0, 1, 2)


@pytest.mark.parametrize("extra", GOOD_URL_LENGTHS)
def test_every_remainder_of_base64_is_decoded(tokens, hosts, extra):
    """A token is decoded without padding, whether base64 would need none, one or two characters of it."""
    token = tokens.token({"X-Amz-Security-Token": "A" * (3 + extra)})
    assert parse_token(token, hosts=hosts, now=tokens.now).region == "us-east-1"


def test_the_envelope_is_exact(tokens, hosts):
    """Padding, base64's other alphabet, white space, foreign bytes and non-canonical last characters are refused."""
    token = tokens.token({"X-Amz-Security-Token": "AAAA"})
    assert refusal(PREFIX, hosts, tokens.now).reason is DenialReason.MALFORMED_TOKEN
    for broken in (
        token + "=",
        token + "==",
        token + "\n",
        token + " ",
        token + "\x00",
        token + "é",
        token.replace(PREFIX, PREFIX + " "),
        token[:40] + "\n" + token[40:],
        token[:40] + "%3D" + token[40:],
        token[:40] + "+" + token[41:],
        token[:40] + "/" + token[41:],
        token[:40] + "." + token[41:],
        token[:40] + "А" + token[41:],
        PREFIX + token,
        token + "." + token.removeprefix(PREFIX),
        PREFIX + "A",
        PREFIX + "AAAAA",
        PREFIX + token,
    ):
        assert refusal(broken, hosts, tokens.now).message == "malformed token: not canonical base64url without padding"


BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_a_remainder_of_one_character_is_refused(tokens, hosts):
    """One character after the last four encodes no byte."""
    whole = next(
        token
        for length in range(4)
        if len(token := tokens.token({"X-Amz-Security-Token": "A" * (length + 1)})) % 4 == 3
    )
    assert parse_token(whole, hosts=hosts, now=tokens.now)
    for character in BASE64URL:
        for broken in (PREFIX + character, PREFIX + "AAAA" + character, whole + character):
            message = refusal(broken, hosts, tokens.now).message
            assert message == "malformed token: not canonical base64url without padding"


def test_foreign_characters_are_not_ignored(tokens, hosts):
    """Foreign characters that a lenient decoder would skip are refused, at every place."""
    token = tokens.token()
    for foreign in [character for character in map(chr, range(128)) if character not in BASE64URL] + ["\xe4", "\uff0b"]:
        for junk in (foreign * 2, foreign * 4, foreign * 8):
            for place in (len(PREFIX), len(PREFIX) + 1, 40, len(token) - 4, len(token)):
                message = refusal(token[:place] + junk + token[place:], hosts, tokens.now).message
                assert message == "malformed token: not canonical base64url without padding"


def test_lone_surrogates_are_refused(tokens, hosts):
    """A lone surrogate, which UTF-8 can't encode, is refused at every place like any other foreign character."""
    token = tokens.token()
    for broken in (PREFIX + "\ud800", token + "\ud800", token[:40] + "\udfff" + token[41:], token[:-1] + "\udc80"):
        message = refusal(broken, hosts, tokens.now).message
        assert message == "malformed token: not canonical base64url without padding"
    assert refusal("\ud800", hosts, tokens.now).reason is DenialReason.FOREIGN_TOKEN


def test_base64_has_one_spelling(tokens, hosts):
    """The unused bits of the last character must be zero, so one URL has one token."""
    for padding, twins in ((2, 16), (1, 4)):
        url = tokens.url({"X-Amz-Security-Token": "A"}).encode()
        url += b"A" * ((padding - len(url)) % 3 and (3 - (len(url) + padding) % 3) % 3)
        text = base64.urlsafe_b64encode(url).decode()
        assert text.count("=") == padding
        text = text.rstrip("=")
        assert parse_token(PREFIX + text, hosts=hosts, now=tokens.now)
        place = BASE64URL.index(text[-1])
        for other in range(place + 1, place - place % twins + twins):
            error = refusal(PREFIX + text[:-1] + BASE64URL[other], hosts, tokens.now)
            assert error.message == "malformed token: not canonical base64url without padding"


def test_the_length_is_bounded(tokens, hosts):
    """A token of the maximum length is parsed. With one more character of any kind, it is refused for its length."""
    assert DEFAULT_MAX_TOKEN_LENGTH == 4096
    room = DEFAULT_MAX_TOKEN_LENGTH - len(tokens.token({"X-Amz-Security-Token": "A"}))
    for size in range(room * 3 // 4 - 3, room * 3 // 4 + 6):
        token = tokens.token({"X-Amz-Security-Token": "A" * (size + 1)})
        if len(token) <= 4096:
            assert parse_token(token, hosts=hosts, now=tokens.now)
        else:
            assert refusal(token, hosts, tokens.now).message == "malformed token: longer than 4096 characters"
    token = tokens.token()
    assert parse_token(token, hosts=hosts, now=tokens.now, max_length=len(token))
    error = refusal(token, hosts, tokens.now, max_length=len(token) - 1)
    assert error.message == f"malformed token: longer than {len(token) - 1} characters"
    assert refusal(PREFIX + "=" * 5000, hosts, tokens.now).message == "malformed token: longer than 4096 characters"


NOT_A_URL = "malformed token: not an https URL with a lower-case host name, the path / and a query"
BEGINNINGS = ["http://sts.us-east-1.amazonaws.com/?", "HTTPS://sts.us-east-1.amazonaws.com/?",
    "https:sts.us-east-1.amazonaws.com/?", "https:/sts.us-east-1.amazonaws.com/?",
    "https:///sts.us-east-1.amazonaws.com/?", "//sts.us-east-1.amazonaws.com/?", "sts.us-east-1.amazonaws.com/?",
    " https://sts.us-east-1.amazonaws.com/?", "\nhttps://sts.us-east-1.amazonaws.com/?",
    "https://user@sts.us-east-1.amazonaws.com/?", "https://user:pw@sts.us-east-1.amazonaws.com/?",
    "https://@sts.us-east-1.amazonaws.com/?", "https://sts.us-east-1.amazonaws.com:443/?",
    "https://sts.us-east-1.amazonaws.com:/?", "https://sts.us-east-1.amazonaws.com#@/?",
    "https://evil.org\\@sts.us-east-1.amazonaws.com/?", "https://evil.org\\.sts.us-east-1.amazonaws.com/?",
    "https://STS.us-east-1.amazonaws.com/?", "https://sts.us-east-1.amazonaws.com%00/?", "https:///?", "https://?",
    "https://[::1]/?", "https://sts.us-east-1.amazonaws.com?", "https://sts.us-east-1.amazonaws.com//?",
    "https://sts.us-east-1.amazonaws.com/x?", "https://sts.us-east-1.amazonaws.com/./?",
    "https://sts.us-east-1.amazonaws.com/%2F?", "https://sts.us-east-1.amazonaws.com/;x?",
    "https://sts.us-east-1.amazonaws.com/#?", "https://sts.us-east-1.amazonaws.com/", "https://sts_us.amazonaws.com/?",
    "https://sts.us-east-1.amazonaws.com\t/?", "https://sts.us-east-1.amazonaws.com /?",
    "https://sts。us-east-1.amazonaws.com/?", "https://sts.us-éast-1.amazonaws.com/?",
    f"https://{'a' * 254}/?", "javascript://sts.us-east-1.amazonaws.com/?"]  # fmt: skip


@pytest.mark.parametrize("begin", BEGINNINGS)
def test_the_url_has_one_form(tokens, hosts, begin):
    """The part before the query must match on bytes: no userinfo, port, other path, fragment or upper case."""
    assert refusal(tokens.token(begin=begin), hosts, tokens.now).message == NOT_A_URL


ENDS = ["\n", " ", "\x00", "\x7f", "é", "\r\nX-Evil: 1"]


@pytest.mark.parametrize("end", ENDS)
def test_the_query_is_printable_ascii(tokens, hosts, end):
    """Bytes that could end a request's line, or that proxies rewrite, are refused at every place."""
    assert refusal(tokens.token(end=end), hosts, tokens.now).message == NOT_A_URL
    assert refusal(tokens.token({"Action": f"Get{end}CallerIdentity"}), hosts, tokens.now).message == NOT_A_URL
    assert refusal(tokens.encode("https://sts.us-east-1.amazonaws.com/?"), hosts, tokens.now).message == NOT_A_URL


UNKNOWN = "malformed token: a parameter that GetCallerIdentity does not take, or not in its canonical spelling"
EXTRA = ["&", "&&", "&=", "&=1", "&x=1", "&x", "&action=GetCallerIdentity", "&ACTION=GetCallerIdentity",
    "&x-amz-expires=60", "&X-Amz-Expires", "&X-Amz-Expires%20=60", "&%41ction=GetCallerIdentity", "&Action%3D=x",
    "&DurationSeconds=3600", "&RoleArn=arn", "&X-Amz-Meta=1", "&AWSAccessKeyId=AKIA", "&Signature=x", "&Policy=x",
    ";Action=GetCallerIdentity", "&amp;Action=GetCallerIdentity", "&X-Amz-Content-Sha256=x", "&Expires=1", "&SourceIdentity=a"]  # fmt: skip


@pytest.mark.parametrize("end", EXTRA)
def test_no_parameter_is_added(tokens, hosts, end):
    """An additional parameter is refused in every spelling."""
    message = refusal(tokens.token(end=end), hosts, tokens.now).message
    if end == "&X-Amz-Expires":
        assert message == "malformed token: the parameter X-Amz-Expires is duplicated"
    elif end.startswith(";"):
        assert message == "malformed token: the parameter X-Amz-Signature has a value that is not allowed here"
    else:
        assert message == UNKNOWN


def test_every_parameter_occurs_once(tokens, hosts):
    """A duplicate parameter is refused, with the same or another value, before or after. So is a missing one."""
    for name, value in tokens.parameters.items():
        for end in (f"&{name}={value}", f"&{name}=", f"&{name}"):
            message = refusal(tokens.token(end=end), hosts, tokens.now).message
            assert message == f"malformed token: the parameter {name} is duplicated"
        message = refusal(tokens.token({name: None}), hosts, tokens.now).message
        assert message == f"malformed token: the parameter {name} is missing"
        for changed in (name.lower(), name.upper(), name.replace("-", "_"), name + "+", name.replace("A", "%41", 1)):
            if changed != name:
                message = refusal(tokens.token({name: None, changed: value}), hosts, tokens.now).message
                assert message == UNKNOWN


def test_only_ampersands_separate_parameters(tokens, hosts):
    """No other character separates parameters, whichever two they are."""
    parts = [f"{name}={value}" for name, value in sorted((tokens.parameters | {"X-Amz-Security-Token": "abc"}).items())]
    for place in range(1, len(parts)):
        begin, end = "&".join(parts[:place]), "&".join(parts[place:])
        for between in map(chr, range(256)):
            token = tokens.encode(f"https://sts.us-east-1.amazonaws.com/?{begin}{between}{end}")
            if between == "&":
                parse_token(token, hosts=hosts, now=tokens.now)
            else:
                assert refusal(token, hosts, tokens.now).reason is DenialReason.MALFORMED_TOKEN


def test_only_equals_signs_separate_names_and_values(tokens, hosts):
    """With another character in place of `=`, the name is unknown."""
    for name, value in (tokens.parameters | {"X-Amz-Security-Token": "abc"}).items():
        for between in map(chr, range(256)):
            if between != "=":
                end = f"&{name}{between}{value}"
                token = tokens.token({name: None} if name in tokens.parameters else {}, end=end)
                assert refusal(token, hosts, tokens.now).reason is DenialReason.MALFORMED_TOKEN


WRONG_VALUES = [
    ("Action", ["", "getcalleridentity", "GetCallerIdentity%20", "GetCallerIdentity+", "AssumeRole", "GetSessionToken",
        "GetCallerIdentit", "GetCallerIdentityX", "Get%43allerIdentity", "GetCallerIdentity;x", "=GetCallerIdentity"]),
    ("Version", ["", "2011-06-16", "2011-06-15Z", "20110615", "2011-6-15", "2011%2D06%2D15"]),
    ("X-Amz-Algorithm", ["", "AWS4-HMAC-SHA512", "aws4-hmac-sha256", "AWS4-ECDSA-P256-SHA256", "AWS4%2DHMAC-SHA256"]),
    ("X-Amz-SignedHeaders", ["", "host", "x-k8s-aws-id", "host;x-k8s-aws-id", "host%3bx-k8s-aws-id",
        "x-k8s-aws-id%3Bhost", "host%3Bx-k8s-aws-idx", "host%3Bx-k8s-aws-id%3Bx-other", "HOST%3BX-K8S-AWS-ID",
        "host%3B%3Bx-k8s-aws-id", "hostx-k8s-aws-id", "accept%3Bhost%3Bx-k8s-aws-id", "host%3Bx-k8s-aws-id%3B",
        "host%3Ax-k8s-aws-id", "host%2Cx-k8s-aws-id"]),
    ("X-Amz-Signature", ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 63 + "%30", "0x" + "0" * 62, "+" * 64]),
    ("X-Amz-Expires", ["", "00", "060", "+60", "-1", "60.0", "6e1", "0x3c", "1000", "60s", "6_0", "%36%30", "60%20"]),
    ("X-Amz-Date", ["", "20260301T120000", "20260301_120000Z", "2026-03-01T12:00:00Z", "20260301t120000z",
        "20260301T120000Z%20", "0260301T120000Z", "120260301T120000Z", "20260301T120000+0000", "2026030%31T120000Z"]),
    ("X-Amz-Credential", ["", "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE/20260301/us-east-1/sts/aws4_request",
        "AKIAIOSFODNN7EXAMPLE%2f20260301%2fus-east-1%2fsts%2faws4_request",
        "akiaiosfodnn7example%2F20260301%2Fus-east-1%2Fsts%2Faws4_request",
        "AKIAIOSFODNN7E%2F20260301%2Fus-east-1%2Fsts%2Faws4_request%2F",
        f"{'A' * 15}%2F20260301%2Fus-east-1%2Fsts%2Faws4_request",
        f"{'A' * 129}%2F20260301%2Fus-east-1%2Fsts%2Faws4_request",
        "%2F20260301%2Fus-east-1%2Fsts%2Faws4_request",
        "AKIAIOSFODNN7EXAMPLE%2F2026031%2Fus-east-1%2Fsts%2Faws4_request",
        "AKIAIOSFODNN7EXAMPLE%2F20260301%2F%2Fsts%2Faws4_request",
        f"AKIAIOSFODNN7EXAMPLE%2F20260301%2F{'a' * 41}%2Fsts%2Faws4_request",
        "AKIAIOSFODNN7EXAMPLE%2F20260301%2Fus-east-1%2Fs3%2Faws4_request",
        "AKIAIOSFODNN7EXAMPLE%2F20260301%2Fus-east-1%2FSTS%2Faws4_request",
        "AKIAIOSFODNN7EXAMPLE%2F20260301%2Fus-east-1%2Fsts%2Faws4_Request",
        "AKIAIOSFODNN7EXAMPLE%2F20260301%2Fus-east-1%2Fsts%2Faws4_requestx",
        "AKIAIOSFODNN7EXAMPLE%2F20260301%2Fus-east-1%2Fsts%2Fsts%2Faws4_request"]),
    ("X-Amz-Security-Token", ["", "a%2fb", "a%2bb", "a%3d", "a+b", "a/b", "a=", "a%20b", "a%00", "a%", "a%2", "a%252F",
        "a%41", "a;b", "a,b", "a'b", "a*b"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "values"), WRONG_VALUES)
def test_every_value_has_a_grammar(tokens, hosts, name, values):
    """A value that STS, a signer or a proxy could parse in two ways is refused, and the message does not contain it."""
    for value in values:
        message = refusal(tokens.token({name: value}), hosts, tokens.now).message
        assert message == f"malformed token: the parameter {name} has a value that is not allowed here"


@pytest.mark.parametrize("extra", ["x", "0", "A", "%20", ".", "-", "_", "~", "%2F", "=", "%3B"])
@pytest.mark.parametrize(
    "name", ["Action", "Version", "X-Amz-Algorithm", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"]
)
def test_values_are_matched_as_a_whole(tokens, hosts, name, extra):
    """A valid value with anything before or after it is invalid."""
    for changed in (extra + tokens.parameters[name], tokens.parameters[name] + extra):
        message = refusal(tokens.token({name: changed}), hosts, tokens.now).message
        assert message == f"malformed token: the parameter {name} has a value that is not allowed here"


def test_expiry_is_at_most_the_signatures_lifetime(tokens, hosts):
    """0 to 900 seconds are accepted, and don't change the token's lifetime."""
    for expires in (0, 1, 60, 900):
        request = parse_token(tokens.token({"X-Amz-Expires": str(expires)}), hosts=hosts, now=tokens.now + 900)
        assert request.expiry == tokens.now + 900
    for expires in (901, 999):
        message = refusal(tokens.token({"X-Amz-Expires": str(expires)}), hosts, tokens.now).message
        assert message == "malformed token: X-Amz-Expires is over 900"


def test_the_scope_agrees_with_host_and_date(tokens, hosts):
    """Region and date of the credential scope must match the host and X-Amz-Date."""
    other_region = {"X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE%2F20260301%2Feu-west-1%2Fsts%2Faws4_request"}
    message = refusal(tokens.token(other_region), hosts, tokens.now).message
    assert message == "malformed token: the credential scope's region is not that of the host"
    begin = "https://sts.eu-west-1.amazonaws.com/?"
    assert parse_token(tokens.token(other_region, begin=begin), hosts=hosts, now=tokens.now).region == "eu-west-1"
    other_date = {"X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE%2F20260228%2Fus-east-1%2Fsts%2Faws4_request"}
    message = refusal(tokens.token(other_date), hosts, tokens.now).message
    assert message == "malformed token: the credential scope's date is not that of X-Amz-Date"


def test_the_global_host_signs_as_us_east_1(tokens, hosts):
    """`sts.amazonaws.com` requires the scope us-east-1."""
    begin = "https://sts.amazonaws.com/?"
    request = parse_token(tokens.token(begin=begin), hosts=hosts, now=tokens.now)
    assert (request.host, request.region) == ("sts.amazonaws.com", "us-east-1")
    elsewhere = {"X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE%2F20260301%2Feu-west-1%2Fsts%2Faws4_request"}
    message = refusal(tokens.token(elsewhere, begin=begin), hosts, tokens.now).message
    assert message == "malformed token: the credential scope's region is not that of the host"


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("evil.org", "malformed token: the host is not an STS endpoint of the partition aws"),
        ("sts.us-east-1.amazonaws.com.", "malformed token: the host is not an STS endpoint of the partition aws"),
        ("127.0.0.1", "malformed token: the host is not an STS endpoint of the partition aws"),
        ("sts.moon-base-1.amazonaws.com", "malformed token: the host name has no region of the partition aws"),
    ],
)
def test_the_host_is_on_the_allow_list(tokens, hosts, host, message):
    """A host that is not an STS endpoint is refused, and the message does not contain it."""
    assert refusal(tokens.token(begin=f"https://{host}/?"), hosts, tokens.now).message == message


@pytest.mark.parametrize(
    "date",
    ["00000301T120000Z", "20260001T120000Z", "20261301T120000Z", "20260300T120000Z", "20260229T120000Z",
     "20260332T120000Z", "20260301T240000Z", "20260301T126000Z", "20260301T120060Z", "99999999T999999Z"],
)  # fmt: skip
def test_the_date_is_in_the_calendar(tokens, hosts, date):
    """A date that the calendar does not have is malformed, and no internal error."""
    changes = {
        "X-Amz-Date": date,
        "X-Amz-Credential": f"AKIAIOSFODNN7EXAMPLE%2F{date[:8]}%2Fus-east-1%2Fsts%2Faws4_request",
    }
    message = refusal(tokens.token(changes), hosts, tokens.now).message
    assert message == "malformed token: X-Amz-Date is not a date of the calendar"


@pytest.mark.parametrize(
    ("date", "seconds"),
    [("20240229T235959Z", 1709251199), ("19700101T000000Z", 0), ("99991231T235959Z", 253402300799), ("00010101T000000Z", -62135596800)],
)  # fmt: skip
def test_dates_are_in_utc(tokens, hosts, date, seconds):
    """A date means the same second in every time zone."""
    changes = {
        "X-Amz-Date": date,
        "X-Amz-Credential": f"AKIAIOSFODNN7EXAMPLE%2F{date[:8]}%2Fus-east-1%2Fsts%2Faws4_request",
    }
    assert parse_token(tokens.token(changes), hosts=hosts, now=seconds).date == seconds


def test_both_ends_of_the_time_window(tokens, hosts):
    """A token is valid from five minutes before its date to 15 minutes after it, inclusive."""
    assert (SIGNATURE_LIFETIME, MAX_CLOCK_LEAD) == (900, 300)
    token, date = tokens.token(), tokens.now
    for now in (date - 300, date - 299.5, date, date + 899.999, date + 900):
        assert parse_token(token, hosts=hosts, now=now).date == date
    for late, seconds in ((900.001, 900), (901, 901), (86_400, 86_400)):
        error = refusal(token, hosts, date + late)
        assert error.reason is DenialReason.TOKEN_EXPIRED
        assert error.message == (
            f"the token was signed {seconds} seconds ago and expired after 900: mint a new one, and check the caller's clock"
        )
    for early, seconds in ((300.001, 300), (301, 301), (86_400, 86_400)):
        error = refusal(token, hosts, date - early)
        assert error.reason is DenialReason.TOKEN_NOT_YET_VALID
        assert error.message == (
            f"the token was signed {seconds} seconds in the future: check the clocks of the caller and of this host"
        )


def test_the_date_is_checked_last(tokens, hosts):
    """A malformed token is malformed at any time, so that the refusal may be cached."""
    error = refusal(tokens.token({"X-Amz-Signature": "x"}), hosts, tokens.now + 10_000)
    assert error.reason is DenialReason.MALFORMED_TOKEN


def test_any_text_has_a_digest():
    """A token's digest is the SHA-256 of its UTF-8. Lone surrogates have one too."""
    assert digest("abc") == hashlib.sha256(b"abc").hexdigest()
    assert digest("\ud800") == hashlib.sha256(b"\xed\xa0\x80").hexdigest()


SECRET = "VerySecretMarker"


@pytest.mark.parametrize("name", [*dict(WRONG_VALUES), SECRET])
def test_messages_contain_no_text_of_the_token(tokens, hosts, name):
    """A refusal's message contains nothing that the caller sent."""
    error = refusal(tokens.token({name: SECRET + "!"}), hosts, tokens.now)
    assert SECRET not in error.message
    error = refusal(tokens.token(begin=f"https://{SECRET.lower()}.org/?"), hosts, tokens.now)
    assert SECRET.lower() not in error.message


LOWER, UPPER, DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
#: Every place in a URL with a choice of characters, marked by `|`, and the allowed characters.
PLACES = [
    ("X-Amz-Credential", "AKIAIOSFODNN7EXAMP|E%2F20260301%2Fus-east-1%2Fsts%2Faws4_request", UPPER + DIGITS),
    ("X-Amz-Credential", "|KIAIOSFODNN7EXAMPLE%2F20260301%2Fus-east-1%2Fsts%2Faws4_request", UPPER + DIGITS),
    ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE%2F2026030|%2Fus-east-1%2Fsts%2Faws4_request", "1"),
    ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE%2F20260301%2Fus-east-|%2Fsts%2Faws4_request", "1"),
    ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE%2F20260301%2Fus-east-1%2Fst|%2Faws4_request", "s"),
    ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE%2F20260301%2Fus-east-1%2Fsts%2Faws|_request", "4"),
    ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE%2|20260301%2Fus-east-1%2Fsts%2Faws4_request", "F"),
    ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE|2F20260301%2Fus-east-1%2Fsts%2Faws4_request", "%"),
    ("X-Amz-Date", "20260301T12000|Z", DIGITS),
    ("X-Amz-Date", "20260301T1200|0Z", "012345"),
    ("X-Amz-Date", "20260301|120000Z", "T"),
    ("X-Amz-Date", "20260301T120000|", "Z"),
    ("X-Amz-Expires", "|", DIGITS),
    ("X-Amz-Expires", "|0", DIGITS.removeprefix("0")),
    ("X-Amz-Expires", "1|", DIGITS),
    ("X-Amz-Expires", "1|0", DIGITS),
    ("X-Amz-Expires", "10|", DIGITS),
    ("X-Amz-Signature", "|" * 64, "abcdef" + DIGITS),
    ("X-Amz-Security-Token", "a|b", UPPER + LOWER + DIGITS + "._~-"),
    ("X-Amz-Security-Token", "|", UPPER + LOWER + DIGITS + "._~-"),
    ("X-Amz-Security-Token", "a%2|b", "BF"),
    ("X-Amz-Security-Token", "a%3|b", "D"),
    ("X-Amz-Security-Token", "a%|Fb", "2"),
    ("X-Amz-Security-Token", "a%|Bb", "2"),
    ("X-Amz-Security-Token", "a%|Db", "3"),
    ("X-Amz-Security-Token", "a|2Fb", UPPER + LOWER + DIGITS + "._~-%"),
    ("X-Amz-Security-Token", "a|2Bb", UPPER + LOWER + DIGITS + "._~-%"),
    ("X-Amz-Security-Token", "a|3Db", UPPER + LOWER + DIGITS + "._~-%"),
    ("X-Amz-SignedHeaders", "host%3|x-k8s-aws-id", "B"),
    ("X-Amz-SignedHeaders", "host%3Bx-k8s-aws-i|", "d"),
    ("X-Amz-SignedHeaders", "|ost%3Bx-k8s-aws-id", "h"),
    ("X-Amz-Algorithm", "AWS4-HMAC-SHA25|", "6"),
    ("Action", "|etCallerIdentity", "G"),
    ("Action", "GetCallerIdentit|", "y"),
    ("Version", "2011-06-1|", "5"),
]


@pytest.mark.parametrize(("name", "place", "characters"), PLACES)
def test_each_place_accepts_only_its_characters(tokens, hosts, name, place, characters):
    """Each place accepts all characters of its grammar, and no other of the first 256 nor their look-alikes."""
    for character in [*map(chr, range(256)), "\u0131", "\u017f", "\u212a", "\u0661", "\uff11"]:
        token = tokens.token({name: place.replace("|", character)})
        if character in characters:
            parse_token(token, hosts=hosts, now=tokens.now)
        else:
            assert refusal(token, hosts, tokens.now).reason is DenialReason.MALFORMED_TOKEN


@pytest.mark.parametrize("place", ["https://sts.us-east-1.amazonaws.com|", "https://sts.us-east-1.amazonaws.com/|",
    "https|//sts.us-east-1.amazonaws.com/?", "https://|sts.us-east-1.amazonaws.com/?", "|https://sts.us-east-1.amazonaws.com/?",
    "https://sts|us-east-1.amazonaws.com/?", "https://sts.us-east-1|amazonaws.com/?", "https:|/sts.us-east-1.amazonaws.com/?"])  # fmt: skip
def test_the_beginning_has_one_spelling(tokens, hosts, place):
    """No other character is accepted in place of the URL's delimiters."""
    for character in map(chr, range(256)):
        token = tokens.token(begin=place.replace("|", character))
        if place.replace("|", character) == "https://sts.us-east-1.amazonaws.com/?":
            parse_token(token, hosts=hosts, now=tokens.now)
        else:
            assert refusal(token, hosts, tokens.now).reason is DenialReason.MALFORMED_TOKEN


def test_each_character_of_the_beginning_is_the_only_one(tokens, hosts):
    """A URL with any other character in scheme, host or path is refused."""
    begin = "https://sts.us-east-1.amazonaws.com/?"
    for place, known in enumerate(begin):
        for character in map(chr, range(256)):
            changed = begin[:place] + character + begin[place + 1 :]
            if character != known:
                assert refusal(tokens.token(begin=changed), hosts, tokens.now).reason is DenialReason.MALFORMED_TOKEN


HOST = "malformed token: the host is not an STS endpoint of the partition aws"


def test_each_character_of_a_host(tokens, hosts):
    """A host consists of lower-case letters, digits, full stops and hyphens, checked before the allow-list."""
    for character in map(chr, range(256)):
        for host in (f"a{character}b", f"{character}x", f"x{character}"):
            expected = HOST if character in LOWER + DIGITS + ".-" else NOT_A_URL
            assert refusal(tokens.token(begin=f"https://{host}/?"), hosts, tokens.now).message == expected
    for length, expected in ((0, NOT_A_URL), (1, HOST), (2, HOST), (252, HOST), (253, HOST), (254, NOT_A_URL)):
        assert refusal(tokens.token(begin=f"https://{'a' * length}/?"), hosts, tokens.now).message == expected


def test_each_character_of_a_query_is_printable(tokens, hosts):
    """Characters from `!` to `~` are checked by a parameter's grammar. All others make the URL invalid."""
    for character in map(chr, range(256)):
        for end in (f"&{character}", f"&x{character}", f"&{character}x"):
            expected = UNKNOWN if "!" <= character <= "~" else NOT_A_URL
            assert refusal(tokens.token(end=end), hosts, tokens.now).message == expected


VALUE = "malformed token: the parameter {} has a value that is not allowed here"
OTHER_REGION = "malformed token: the credential scope's region is not that of the host"
OTHER_DATE = "malformed token: the credential scope's date is not that of X-Amz-Date"
#: The parts of a credential: its text, the characters of its grammar, and the meaning of others.
CREDENTIAL = [
    ("AKIAIOSFODNN7EXAMPLE", UPPER + DIGITS, None),
    ("%2F", "", None),
    ("20260301", DIGITS, OTHER_DATE),
    ("%2F", "", None),
    ("us-east-1", LOWER + DIGITS + "-", OTHER_REGION),
    ("%2Fsts%2Faws4_request", "", None),
]


@pytest.mark.parametrize("part", range(len(CREDENTIAL)))
def test_each_place_of_a_credential_accepts_only_its_characters(tokens, hosts, part):
    """A character outside of the grammar is refused at each place of the credential."""
    text, characters, meaning = CREDENTIAL[part]
    before = "".join(other for other, _, _ in CREDENTIAL[:part])
    after = "".join(other for other, _, _ in CREDENTIAL[part + 1 :])
    for place, known in enumerate(text):
        for character in map(chr, range(256)):
            changed = before + text[:place] + character + text[place + 1 :] + after
            token = tokens.token({"X-Amz-Credential": changed})
            if character == known or (character in characters and meaning is None):
                parse_token(token, hosts=hosts, now=tokens.now)
            elif character in characters:
                assert refusal(token, hosts, tokens.now).message == meaning
            else:
                expected = VALUE.format("X-Amz-Credential") if "!" <= character <= "~" else NOT_A_URL
                assert refusal(token, hosts, tokens.now).message == expected


@pytest.mark.parametrize(
    ("scope", "lengths", "meaning"),
    [("{}%2F20260301%2Fus-east-1", (16, 128), None), ("AKIAIOSFODNN7EXAMPLE%2F{}%2Fus-east-1", (8, 8), OTHER_DATE),
     ("AKIAIOSFODNN7EXAMPLE%2F20260301%2F{}", (1, 40), OTHER_REGION)],
)  # fmt: skip
def test_each_part_of_a_credential_has_its_length(tokens, hosts, scope, lengths, meaning):
    """Access key, date and region are accepted from their minimum to their maximum length."""
    least, most = lengths
    for length in (0, least - 1, least, most, most + 1):
        part = {None: "A", OTHER_DATE: "1", OTHER_REGION: "a"}[meaning] * length
        token = tokens.token({"X-Amz-Credential": scope.format(part) + "%2Fsts%2Faws4_request"})
        if length not in lengths:
            assert refusal(token, hosts, tokens.now).message == VALUE.format("X-Amz-Credential")
        elif meaning:
            assert refusal(token, hosts, tokens.now).message == meaning
        else:
            assert parse_token(token, hosts=hosts, now=tokens.now).access_key_id == part


@pytest.mark.parametrize(
    "name", ["Action", "Version", "X-Amz-Algorithm", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date"]
)
def test_each_place_of_a_value_accepts_only_its_characters(tokens, hosts, name):
    """A character outside of the grammar is refused at each place of a value."""
    text = tokens.parameters[name]
    for place in range(len(text)) if name != "X-Amz-Signature" else (0, 1, 32, 63):
        known = text[place]
        allowed = {"X-Amz-Signature": DIGITS + "abcdef", "X-Amz-Date": known if known in "TZ" else DIGITS}.get(
            name, known
        )
        for character in map(chr, range(256)):
            token = tokens.token({name: text[:place] + character + text[place + 1 :]})
            if character not in allowed:
                expected = VALUE.format(name) if "!" <= character <= "~" else NOT_A_URL
                assert refusal(token, hosts, tokens.now).message == expected
            elif name != "X-Amz-Date":
                assert parse_token(token, hosts=hosts, now=tokens.now)
            else:
                assert message_of(token, hosts, tokens.now) != VALUE.format(name)


def message_of(token, hosts, now):
    """Return the message of a refusal, or an empty string if the token is accepted."""
    try:
        parse_token(token, hosts=hosts, now=now)
    except Denied as error:
        return error.message
    return ""


def test_each_character_of_a_date(tokens, hosts):
    """All characters of a date but the T and the Z are digits."""
    date = "20260301T120000Z"
    for place, known in enumerate(date):
        for character in [*map(chr, range(256)), "\u0131", "\u017f", "\u212a", "\u0661", "\uff11"]:
            changed = date[:place] + character + date[place + 1 :]
            scope = f"AKIAIOSFODNN7EXAMPLE%2F{changed[:8]}%2Fus-east-1%2Fsts%2Faws4_request"
            token = tokens.token({"X-Amz-Date": changed, "X-Amz-Credential": scope})
            if character != known and (known in "TZ" or character not in DIGITS):
                assert refusal(token, hosts, tokens.now).reason is DenialReason.MALFORMED_TOKEN


@pytest.mark.parametrize(
    "date",
    ["20260301T12000Z", "20260301T1200000Z", "20260301T12000000Z", "20260301T0120000Z", "20260301T1200060Z",
     "202603010T120000Z", "2026301T120000Z", "020260301T120000Z", "20260301T120000ZZ", "20260301TT120000Z",
     "0301T120000Z", "202603T120000Z", "20260301T1200Z", "T120000Z", "20260301TZ", "20260301120000Z", "20260301T120000"],
)  # fmt: skip
def test_each_part_of_a_date_has_its_length(tokens, hosts, date):
    """A digit more or less is refused in every part."""
    message = refusal(tokens.token({"X-Amz-Date": date}), hosts, tokens.now).message
    assert message == "malformed token: the parameter X-Amz-Date has a value that is not allowed here"


@pytest.mark.parametrize("extra", range(1, 4))
@pytest.mark.parametrize("place", range(-5, 0))
def test_each_character_at_the_end_of_the_envelope(tokens, hosts, extra, place):
    """For each remainder, the last characters are accepted only if they are canonical base64url."""
    token = tokens.token({"X-Amz-Security-Token": "A" * extra})
    for character in [*map(chr, range(256)), "\u0131", "\u017f", "\u212a", "\u0661", "\uff11"]:
        changed = token[:place] + character + (token[place + 1 :] if place != -1 else "")
        try:
            parse_token(changed, hosts=hosts, now=tokens.now)
        except Denied as error:
            canonical = error.message != "malformed token: not canonical base64url without padding"
        else:
            canonical = True
        assert canonical == is_canonical(changed.removeprefix(PREFIX))


def is_canonical(text):
    """Return whether encoding the decoded text gives the same text."""
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return False
    return base64.urlsafe_b64encode(content).decode().rstrip("=") == text


def test_each_character_of_the_envelope_is_base64url(tokens, hosts):
    """Characters outside of the alphabet are refused in the middle and at the end of a token."""
    token = tokens.token()
    alphabet = LOWER + UPPER + DIGITS + "-_"
    for character in [*map(chr, range(256)), "\u0131", "\u017f", "\u212a", "\u0661", "\uff11"]:
        for changed in (
            token[:40] + character + token[41:],
            token[:-1] + character,
            token[:12] + character + token[13:],
        ):
            if character not in alphabet:
                message = refusal(changed, hosts, tokens.now).message
                assert message == "malformed token: not canonical base64url without padding"
