from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.credentials import Credentials
from botocore.hooks import HierarchicalEmitter
from botocore.model import ServiceId
from botocore.signers import RequestSigner
from hypothesis import given
from hypothesis import strategies as st

from authd.core.errors import DenialReason, Denied
from authd.core.partitions import STSHosts, UnknownHost
from authd.core.token import PREFIX, parse_token

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
DATES = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2099, 12, 31)).map(
    lambda date: date.replace(microsecond=0)
)


EMITTER = HierarchicalEmitter()


def sign(*, host, region, key, secret, session_token, cluster, expires, date):
    """Sign a URL exactly as aws-iam-authenticator's README shows it for Python."""
    signer = RequestSigner(ServiceId("sts"), region, "sts", "v4", Credentials(key, secret, session_token), EMITTER)
    parameters = {
        "method": "GET",
        "url": f"https://{host}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    with patch("botocore.auth.get_current_datetime", lambda: date):
        return signer.generate_presigned_url(parameters, region_name=region, expires_in=expires, operation_name="")


@st.composite
def endpoints(draw, partitions):
    partition = partitions[draw(st.sampled_from(sorted(partitions)))]
    region = draw(st.sampled_from(sorted(partition.regions)))
    forms = [f"sts.{region}.{partition.suffix}", f"sts.{region}.{partition.dual_stack_suffix}"]
    if partition.name == "aws" and region == "us-east-1":
        forms += ["sts.amazonaws.com", "sts-fips.us-east-1.amazonaws.com"]
    return partition, region, draw(st.sampled_from(forms))


@given(
    data=st.data(),
    key=st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=16, max_size=128),
    secret=st.text(min_size=1, max_size=50, alphabet=st.characters(codec="ascii")),
    session_token=st.none() | st.text(alphabet=BASE64 + "._~-", min_size=1, max_size=1_500),
    cluster=st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=100),
    expires=st.integers(0, 900),
    date=DATES,
    drift=st.integers(-300, 900),
)
def test_botocores_requests_are_accepted(
    *, partitions, data, key, secret, session_token, cluster, expires, date, drift
):
    """Every request that botocore signs is parsed, and the rebuilt one has the same host and parameters."""
    partition, region, host = data.draw(endpoints(partitions))
    url = sign(
        host=host,
        region=region,
        key=key,
        secret=secret,
        session_token=session_token,
        cluster=cluster,
        expires=expires,
        date=date,
    )
    token = PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
    signed = int(date.replace(tzinfo=UTC).timestamp())
    request = parse_token(token, hosts=STSHosts(partition=partition), now=signed + drift, max_length=8_192)
    assert (request.host, request.region, request.access_key_id, request.date) == (host, region, key, signed)
    assert sorted(request.target.removeprefix("/?").split("&")) == sorted(urlsplit(url).query.split("&"))


@st.composite
def mutated_bytes(draw, original):
    """Change a few bytes: replace, insert, delete, double or swap them."""
    mutant = bytearray(original)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(mutant) - 1))
        byte = draw(st.sampled_from(b"%&=;/?#:@.\\+ \t\r\n\x00\xff-_09AZaz") | st.integers(0, 255))
        kind = draw(st.sampled_from(["replace", "insert", "delete", "double", "swap"]))
        if kind == "replace":
            mutant[place] = byte
        elif kind == "insert":
            mutant.insert(place, byte)
        elif kind == "delete":
            del mutant[place]
        elif kind == "double":
            mutant[place:place] = mutant[place : place + draw(st.integers(1, 40))]
        else:
            other = draw(st.integers(0, len(mutant) - 1))
            mutant[place], mutant[other] = mutant[other], mutant[place]
    return bytes(mutant)


def check_meaning(token, hosts, now):
    """Compare the parsed token with the result of an independent URL parser."""
    try:
        request = parse_token(token, hosts=hosts, now=now)
    except Denied:
        return
    text = token.removeprefix(PREFIX)
    url = urlsplit(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii"))
    assert (url.scheme, url.netloc, url.path, url.fragment) == ("https", request.host, "/", "")
    seen = parse_qsl(url.query, keep_blank_values=True, strict_parsing=True)
    sent = parse_qsl(request.target.removeprefix("/?"), keep_blank_values=True, strict_parsing=True)
    assert sorted(seen) == sorted(sent)
    parameters = dict(sent)
    assert len(parameters) == len(sent)
    assert parameters["Action"] == "GetCallerIdentity"
    assert parameters["Version"] == "2011-06-15"
    assert parameters["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id"
    key, date, region, service, kind = parameters["X-Amz-Credential"].split("/")
    assert (key, region, service, kind) == (request.access_key_id, request.region, "sts", "aws4_request")
    assert parameters["X-Amz-Date"].startswith(date)
    assert hosts.signing_region(request.host) == region
    assert -300 <= now - request.date <= 900


@given(data=st.data())
def test_a_mutated_url_is_refused_or_means_the_same(tokens, hosts, data):
    """A URL with a few changed bytes is refused, or parsed to the host, action and parameters that it really has."""
    original = tokens.url({"X-Amz-Security-Token": "IQoJb3JpZ2lu%2FEXAMPLE%2B%3D"}).encode()
    check_meaning(tokens.encode(data.draw(mutated_bytes(original))), hosts, tokens.now)


@given(data=st.data())
def test_a_mutated_token_is_refused_or_means_the_same(tokens, hosts, data):
    """A token with a few changed characters is refused or parsed to its real content."""
    original = tokens.token({"X-Amz-Security-Token": "IQoJb3JpZ2lu%2FEXAMPLE%2B%3D"}).encode()
    check_meaning(data.draw(mutated_bytes(original)).decode("latin-1"), hosts, tokens.now)


@given(st.permutations(range(9)))
def test_the_rebuilt_request_never_depends_on_the_order(tokens, hosts, order):
    """Tokens that differ only in the order of parameters cause the same request."""
    parts = [*tokens.parameters.items(), ("X-Amz-Security-Token", "abc")]
    query = "&".join("=".join(parts[place]) for place in order)
    request = parse_token(tokens.encode("https://sts.us-east-1.amazonaws.com/?" + query), hosts=hosts, now=tokens.now)
    assert request.target == "/?" + "&".join(sorted(map("=".join, parts)))


@given(st.text(max_size=100), st.floats(allow_nan=False))
def test_nothing_but_denied_is_ever_raised(hosts, text, now):
    """Every text is parsed or raises `Denied`, at any time."""
    for token in (text, PREFIX + text):
        with pytest.raises(Denied):
            parse_token(token, hosts=hosts, now=now)


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_other_content_is_malformed(tokens, hosts, content, end):
    """Any bytes in a well-formed envelope are malformed, alone or after a valid URL."""
    with pytest.raises(Denied) as caught:
        parse_token(tokens.encode(content), hosts=hosts, now=tokens.now)
    assert caught.value.reason is DenialReason.MALFORMED_TOKEN
    check_meaning(tokens.encode(tokens.url().encode() + end), hosts, tokens.now)


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=60))
def test_one_url_has_one_token(tokens, hosts, text):
    """Of all texts that decode to the same bytes, only one is not refused as non-canonical."""
    with pytest.raises(Denied) as caught:
        parse_token(PREFIX + text, hosts=hosts, now=tokens.now)
    try:
        canonical = base64.urlsafe_b64encode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except binascii.Error:
        assert caught.value.message == "malformed token: not canonical base64url without padding"
        return
    spelled_well = canonical.rstrip(b"=").decode() == text
    assert (caught.value.message == "malformed token: not canonical base64url without padding") != spelled_well


def test_the_oracle_sees_a_difference(tokens, hosts):
    """The oracle fails for a parser that returns another host."""
    with patch("authd.core.token._signing_region", lambda host, hosts: "us-east-1"), pytest.raises(UnknownHost):
        check_meaning(tokens.token(begin="https://evil.example.org/?"), hosts, tokens.now)
