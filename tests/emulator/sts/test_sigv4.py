from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authd.emulator.directory.sample import ALICE_KEY, FEDERATED_KEY, FEDERATED_TOKEN, sample_directory
from authd.emulator.sts.actions import STS
from authd.emulator.sts.errors import STSError
from authd.emulator.sts.request import WireRequest
from authd.emulator.sts.sigv4 import signing_key

Presign = Callable[..., str]
Received = Callable[..., WireRequest]
ALICE = "arn:aws:iam::111122223333:user/team/alice"


def refusal(sts: STS, request: WireRequest) -> STSError:
    with pytest.raises(STSError) as caught:
        sts.execute(request)
    return caught.value


def arn(sts: STS, request: WireRequest) -> object:
    return sts.execute(request).fields["Arn"]


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("sts.amazonaws.com", "us-east-1"),
        ("sts.us-east-1.amazonaws.com", "us-east-1"),
        ("sts.eu-west-1.amazonaws.com", "eu-west-1"),
        ("sts-fips.us-west-2.amazonaws.com", "us-west-2"),
        ("sts.eu-west-1.api.aws", "eu-west-1"),
        ("sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("vpce-0a1b-c2d3.sts.us-east-1.vpce.amazonaws.com", "us-east-1"),
        ("localhost:8443", "us-east-1"),
        ("[::1]:8443", "us-east-1"),
    ],
)
def test_hosts(sts: STS, presign: Presign, received: Received, host: str, region: str) -> None:
    """A token presigned by botocore for a host is accepted if its scope has the host's region."""
    assert arn(sts, received(presign(host=host, region=region))) == ALICE


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("sts.amazonaws.com", "eu-west-1"),
        ("sts.eu-west-1.amazonaws.com", "us-east-1"),
        ("sts.example.com", "us-east-1"),
        ("ec2.us-east-1.amazonaws.com", "us-east-1"),
        ("sts.us-east-1.amazonaws.com.example.com", "us-east-1"),
    ],
)
def test_wrong_region(sts: STS, presign: Presign, received: Received, host: str, region: str) -> None:
    """A scope of another region, or an unknown host, is refused."""
    error = refusal(sts, received(presign(host=host, region=region)))
    assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)
    assert error.message == "Credential should be scoped to a valid region."


@pytest.mark.parametrize("expires", [0, 60, 900])
def test_expires(sts: STS, presign: Presign, received: Received, expires: int) -> None:
    """X-Amz-Expires may have any value."""
    assert arn(sts, received(presign(expires=expires))) == ALICE


def test_session_token(sts: STS, presign: Presign, received: Received) -> None:
    """A token signed with temporary credentials identifies their owner."""
    url = presign((*FEDERATED_KEY, FEDERATED_TOKEN))
    assert "X-Amz-Security-Token=carols%2Bsession%2Ftoken%3D%3D" in url
    assert arn(sts, received(url)) == "arn:aws:sts::111122223333:federated-user/carol"


def test_order_of_parameters(sts: STS, presign: Presign, received: Received) -> None:
    """The parameters may come in any order, since the canonical query is sorted."""
    request = received(presign())
    shuffled = b"&".join(reversed(request.query.split(b"&")))
    assert arn(sts, replace(request, target=b"/?" + shuffled)) == ALICE


PARAMETERS = [
    b"Action",
    b"Version",
    b"X-Amz-Algorithm",
    b"X-Amz-Credential",
    b"X-Amz-Date",
    b"X-Amz-Expires",
    b"X-Amz-SignedHeaders",
    b"X-Amz-Security-Token",
    b"X-Amz-Signature",
]


CHANGES = ["dropped", "altered", "extended", "doubled", "emptied", "renamed", "re-encoded"]
# The signature covers every other parameter.
TAMPERING = [
    (name, change) for name in PARAMETERS for change in CHANGES if (name, change) != (b"X-Amz-Signature", "re-encoded")
]


@pytest.mark.parametrize(("name", "change"), TAMPERING)
def test_tampered_parameter(sts: STS, presign: Presign, received: Received, name: bytes, change: str) -> None:
    """No parameter of a signed URL can be dropped, changed, doubled or encoded in another way."""
    request = received(presign((*FEDERATED_KEY, FEDERATED_TOKEN)))
    pair = next(pair for pair in request.query.split(b"&") if pair.startswith(name + b"="))
    value = pair.partition(b"=")[2]
    flipped = value[:-1] + (b"0" if value[-1:] != b"0" else b"1")
    changed = {
        "dropped": b"",
        "altered": name + b"=" + flipped,
        "extended": pair + b"0",
        "doubled": pair + b"&" + pair,
        "emptied": name + b"=",
        "renamed": name.lower() + b"=" + value,
        "re-encoded": name + b"=" + b"%%%02x" % value[0] + value[1:],
    }[change]
    error = refusal(sts, replace(request, target=request.target.replace(pair, changed)))
    assert error.status in {400, 403, 404}


def test_added_parameter(sts: STS, presign: Presign, received: Received) -> None:
    """Nothing can be added to a signed URL."""
    request = received(presign())
    assert refusal(sts, replace(request, target=request.target + b"&x=1")).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "change",
    [
        {"method": b"POST"},
        {"method": b"HEAD"},
        {"method": b"get"},
        {"body": b"x"},
    ],
    ids=str,
)
def test_tampered_request(sts: STS, presign: Presign, received: Received, change: dict[str, bytes]) -> None:
    """The signature covers the method and the body."""
    assert refusal(sts, replace(received(presign()), **change)).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("path", [b"//", b"/.", b"/x", b"/%2F", b"", b"/;"])
def test_tampered_path(sts: STS, presign: Presign, received: Received, path: bytes) -> None:
    """The signature covers the path."""
    request = received(presign())
    assert refusal(sts, replace(request, target=path + request.target[1:])).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "headers",
    [
        ((b"host", b"sts.us-east-1.amazonaws.com"),),
        ((b"host", b"sts.us-east-1.amazonaws.com"), (b"x-k8s-aws-id", b"other.example.com")),
        ((b"host", b"sts.us-east-1.amazonaws.com"), (b"x-k8s-aws-id", b"")),
        ((b"host", b"sts.us-east-1.amazonaws.com"), (b"x-k8s-aws-id", b"Prod.example.com")),
        (
            (b"host", b"sts.us-east-1.amazonaws.com"),
            (b"x-k8s-aws-id", b"prod.example.com"),
            (b"x-k8s-aws-id", b"prod.example.com"),
        ),
        ((b"host", b"sts-fips.us-east-1.amazonaws.com"), (b"x-k8s-aws-id", b"prod.example.com")),
        ((b"host", b"sts.us-east-1.amazonaws.com:443"), (b"x-k8s-aws-id", b"prod.example.com")),
    ],
    ids=["no cluster", "other cluster", "empty cluster", "other case", "twice", "other host", "port"],
)
def test_signed_headers(
    sts: STS, presign: Presign, received: Received, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    """A missing, changed or doubled signed header is SignatureDoesNotMatch, as for another cluster's token."""
    error = refusal(sts, replace(received(presign()), headers=headers))
    assert error.code == "SignatureDoesNotMatch"
    assert error.message.startswith("The request signature we calculated does not match")


def test_unsigned_host(sts: STS, presign: Presign, received: Received) -> None:
    """A signature that does not cover the host is refused."""
    request = received(presign())
    target = request.target.replace(b"host%3Bx-k8s-aws-id", b"x-k8s-aws-id")
    assert "Host" in refusal(sts, replace(request, target=target)).message


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        (15 * 60 + 2, "Signature expired: {0} is now earlier than .* - 15 min.\\)"),
        (86_400, "Signature expired: {0} is now earlier than .*"),
        (-5 * 60 - 2, "Signature not yet current: {0} is still later than .* \\+ 5 min.\\)"),
        (-86_400, "Signature not yet current: {0} is still later than .*"),
    ],
)
def test_dates(sts: STS, clock, presign: Presign, received: Received, offset: float, words: str) -> None:
    """A signature older than 15 minutes, or more than 5 minutes ahead, is refused with STS's message."""
    url = presign()
    clock.offset = offset
    error = refusal(sts, received(url))
    stamp = re.search("X-Amz-Date=([^&]*)", url)[1]
    assert error.code == "SignatureDoesNotMatch"
    assert re.fullmatch(words.format(stamp), error.message)


@pytest.mark.parametrize("offset", [15 * 60 - 2, -5 * 60 + 2])
def test_dates_at_the_edge(sts: STS, clock, presign: Presign, received: Received, offset: float) -> None:
    """A signature is valid up to 15 minutes old and 5 minutes ahead, independent of X-Amz-Expires."""
    request = received(presign(expires=1))
    clock.offset = offset
    assert arn(sts, request) == ALICE


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"%2Fsts%2F", b"%2Fs3%2F", "SignatureDoesNotMatch"),
        (b"%2Faws4_request", b"%2Faws5_request", "SignatureDoesNotMatch"),
        (b"%2Faws4_request", b"", "IncompleteSignature"),
        (b"%2Faws4_request", b"%2Faws4_request%2F", "IncompleteSignature"),
        (b"AWS4-HMAC-SHA256", b"AWS4-ECDSA-P256-SHA256", "IncompleteSignature"),
        (b"AKIAEMULATORALICE000", b"AKIAEMULATORNOBODY00", "InvalidClientTokenId"),
    ],
)
def test_credential(sts: STS, presign: Presign, received: Received, old: bytes, new: bytes, code: str) -> None:
    """A credential of another service, an unknown key or another shape is refused, each with its own code."""
    request = received(presign())
    assert refusal(sts, replace(request, target=request.target.replace(old, new))).code == code


@pytest.mark.parametrize("stamp", [b"20260101", b"20269999T999999Z", b"tomorrow", b"20260101T000000", b"-"])
def test_unreadable_date(sts: STS, presign: Presign, received: Received, stamp: bytes) -> None:
    """An invalid date is refused."""
    request = received(presign())
    target = re.sub(rb"X-Amz-Date=[^&]*", b"X-Amz-Date=" + stamp, request.target)
    assert "ISO-8601" in refusal(sts, replace(request, target=target)).message


def test_date_of_the_scope(sts: STS, presign: Presign, received: Received) -> None:
    """The scope's date must equal the date of X-Amz-Date."""
    request = received(presign())
    target = re.sub(rb"%2F[0-9]{8}%2F", b"%2F20200101%2F", request.target)
    assert refusal(sts, replace(request, target=target)).message.startswith("Date in Credential scope does not match")


@pytest.mark.parametrize("name", [b"X-Amz-Signature", b"X-Amz-Credential", b"X-Amz-Date", b"X-Amz-SignedHeaders"])
def test_missing_component(sts: STS, presign: Presign, received: Received, name: bytes) -> None:
    """A presigned query without one of its components is IncompleteSignature, with the component's name."""
    request = received(presign())
    error = refusal(sts, replace(request, target=re.sub(rb"&%b=[^&]*" % name, b"", request.target)))
    assert (error.code, error.status) == ("IncompleteSignature", 400)
    assert name.decode() in error.message


def test_unsigned(sts: STS) -> None:
    """A request without a signature gets MissingAuthenticationToken."""
    target = b"/?Action=GetCallerIdentity&Version=2011-06-15"
    request = WireRequest(method=b"GET", target=target, headers=((b"host", b"sts.amazonaws.com"),))
    error = refusal(sts, request)
    assert (error.code, error.status) == ("MissingAuthenticationToken", 403)


BODY = "Action=GetCallerIdentity&Version=2011-06-15"


def test_authorization_header(sts: STS, post: Callable[..., WireRequest]) -> None:
    """A POST with a signature in its Authorization header identifies its signer."""
    assert arn(sts, post(BODY)) == ALICE
    federated = arn(sts, post(BODY, (*FEDERATED_KEY, FEDERATED_TOKEN)))
    assert federated == "arn:aws:sts::111122223333:federated-user/carol"


def test_other_service(sts: STS, post: Callable[..., WireRequest]) -> None:
    """A signature for another service is refused."""
    assert refusal(sts, post(BODY, service="s3")).message == "Credential should be scoped to correct service: 'sts'."


def test_authorization_of_a_get(sts: STS) -> None:
    """A GET may have its signature in the Authorization header too."""
    request = AWSRequest("GET", f"https://sts.us-east-1.amazonaws.com/?{BODY}")
    SigV4Auth(Credentials(*ALICE_KEY), "sts", "us-east-1").add_auth(request)
    headers = tuple((name.lower().encode(), value.encode()) for name, value in request.headers.items())
    wire = WireRequest(
        method=b"GET", target=f"/?{BODY}".encode(), headers=((b"host", b"sts.us-east-1.amazonaws.com"), *headers)
    )
    assert arn(sts, wire) == ALICE


@pytest.mark.parametrize(
    ("pattern", "replacement", "code"),
    [
        (rb"Signature=[0-9a-f]", b"Signature=g", "SignatureDoesNotMatch"),
        (rb", Signature=.*", b"", "IncompleteSignature"),
        (rb"SignedHeaders=[^,]*, ", b"", "IncompleteSignature"),
        (rb"Credential=[^,]*, ", b"", "IncompleteSignature"),
        (rb"^AWS4-HMAC-SHA256", b"AWS3", "IncompleteSignature"),
        (rb"^.*$", b"Bearer x", "IncompleteSignature"),
        (rb"^.*$", b"", "IncompleteSignature"),
        (rb"Signature=", b"Signature", "IncompleteSignature"),
        (rb", Signature=(.*)", rb", Signature=\1, Signature=\1", "IncompleteSignature"),
        (rb"content-type;host", b"host;content-type", "SignatureDoesNotMatch"),
        (rb"content-type;host", b"host", "SignatureDoesNotMatch"),
    ],
)
def test_tampered_authorization(
    sts: STS, post: Callable[..., WireRequest], pattern: bytes, replacement: bytes, code: str
) -> None:
    """An Authorization header that is changed or incomplete is refused."""
    request = post(BODY)
    headers = tuple(
        (name, re.sub(pattern, replacement, value) if name == b"authorization" else value)
        for name, value in request.headers
    )
    assert headers != request.headers
    assert refusal(sts, replace(request, headers=headers)).code == code


@pytest.mark.parametrize("name", [b"x-amz-date", b"content-type", b"host", b"x-amz-security-token"])
@pytest.mark.parametrize("keep", [True, False], ids=["changed", "dropped"])
def test_tampered_header(sts: STS, post: Callable[..., WireRequest], name: bytes, keep: bool) -> None:
    """No signed header of a POST can be changed or dropped."""
    request = post(BODY, (*FEDERATED_KEY, FEDERATED_TOKEN))
    headers = tuple(
        (key, value[:-1] + b"?" if key == name else value) for key, value in request.headers if keep or key != name
    )
    assert refusal(sts, replace(request, headers=headers)).status in {400, 403}


def test_tampered_body(sts: STS, post: Callable[..., WireRequest]) -> None:
    """The signature covers the body of a POST."""
    request = post(BODY)
    assert refusal(sts, replace(request, body=request.body + b"&x=1")).code == "SignatureDoesNotMatch"


def test_signing_key() -> None:
    """The signing key equals that of the example in the IAM User Guide."""
    key = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215", "us-east-1", "iam")
    assert key.hex() == "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
# Without the headers that the signer or the call adds, which would otherwise occur twice.
PARAMETER = TEXT.filter(lambda name: name not in {"Action", "Version"} and not name.startswith("X-Amz-"))
NAMES = st.from_regex(r"x-[a-z]{1,8}", fullmatch=True)


@given(st.lists(st.tuples(NAMES, TEXT), max_size=5), st.lists(st.tuples(PARAMETER, TEXT), max_size=5))
@settings(max_examples=200, deadline=None)
def test_agrees_with_botocore(headers: list[tuple[str, str]], parameters: list[tuple[str, str]]) -> None:
    """A signature by botocore is accepted for any headers (repeated, spaced) and parameters."""
    base = [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")]
    request = AWSRequest("GET", "https://sts.us-east-1.amazonaws.com/", params=dict(base + parameters))
    for name, value in headers:
        request.headers.add_header(name, value)
    SigV4QueryAuth(Credentials(*ALICE_KEY), "sts", "us-east-1", expires=60).add_auth(request)
    wire = WireRequest(
        method=b"GET",
        target=request.url.removeprefix("https://sts.us-east-1.amazonaws.com").encode(),
        headers=(
            (b"host", b"sts.us-east-1.amazonaws.com"),
            *((name.encode(), value.strip(" ").encode()) for name, value in headers),
        ),
    )
    assert STS(sample_directory(), now=time.time).execute(wire).fields["Arn"] == ALICE


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated(presign: Presign, received: Received, data: st.DataObject) -> None:
    """A request with any one byte changed is refused, and the only error raised is STSError."""
    request = received(presign())
    target = bytearray(request.target)
    position = data.draw(st.integers(0, len(target) - 1))
    target[position] = data.draw(st.integers(33, 126).filter(lambda byte: byte != target[position]))
    sts = STS(sample_directory(), now=time.time)
    with pytest.raises(STSError):
        sts.execute(replace(request, target=bytes(target)))
