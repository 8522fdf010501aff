from __future__ import annotations

import base64
import datetime as dt
import string
from unittest import mock

import botocore.auth
import pytest
from botocore.credentials import Credentials
from botocore.hooks import HierarchicalEmitter
from botocore.model import ServiceId
from botocore.signers import RequestSigner
from hypothesis import example, given
from hypothesis import strategies as st

from authd.client.fast.sigv4 import NotOnFastPath, sign_get_caller_identity, token_of
from authd.client.fast.timestamps import compact

_UNRESERVED = string.ascii_letters + string.digits + "-_.~"
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_MOMENTS = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2099, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0)
)


def _botocore_url(
    access_key: str, secret_key: str, session_token: str, host: str, region: str, cluster_id: str, moment: dt.datetime
) -> str:
    credentials = Credentials(access_key, secret_key, session_token or None)
    emitter = HierarchicalEmitter()  # the signer keeps only a weak reference
    signer = RequestSigner(ServiceId("STS"), region, "sts", "v4", credentials, emitter)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=moment):
        return signer.generate_presigned_url(
            {
                "method": "GET",
                "url": f"https://{host}/?Action=GetCallerIdentity&Version=2011-06-15",
                "body": {},
                "headers": {"x-k8s-aws-id": cluster_id},
                "context": {},
            },
            operation_name="GetCallerIdentity",
            expires_in=60,
            region_name=region,
        )


@given(
    access_key=st.text(_UNRESERVED, min_size=1, max_size=128),
    secret_key=st.text(_PRINTABLE, min_size=1, max_size=130),
    session_token=st.text(_UNRESERVED + "+/=", max_size=2000),
    region=st.from_regex(r"[a-z]{2,5}(-[a-z]{3,9}){1,2}-[1-9]", fullmatch=True),
    cluster_id=st.text(_PRINTABLE, min_size=1, max_size=100),
    moment=_MOMENTS,
)
@example("A", "s" * 60, "", "eu-west-1", "c", dt.datetime(2026, 1, 1))
@example("A", "s" * 61, "", "eu-west-1", "c", dt.datetime(2026, 1, 1))
def test_agrees_with_botocore(
    access_key: str, secret_key: str, session_token: str, region: str, cluster_id: str, moment: dt.datetime
) -> None:
    """With the same clock, the URL is byte for byte that of botocore's signer."""
    host = f"sts.{region}.amazonaws.com"
    url = sign_get_caller_identity(
        access_key=access_key.encode(),
        secret_key=secret_key.encode(),
        session_token=session_token.encode(),
        host=host,
        region=region,
        cluster_id=cluster_id.encode(),
        date=compact(int(moment.replace(tzinfo=dt.UTC).timestamp())),
    )
    assert url == _botocore_url(access_key, secret_key, session_token, host, region, cluster_id, moment)


_GOOD = {
    "access_key": b"AKIAEXAMPLE",
    "secret_key": b"secret",
    "session_token": b"",
    "host": "sts.amazonaws.com",
    "region": "us-east-1",
    "cluster_id": b"prod",
    "date": "20260101T000000Z",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("access_key", b""),
        ("access_key", b"AKIA/EXAMPLE"),
        ("access_key", "ÄKIA".encode()),
        ("secret_key", b""),
        ("secret_key", b"two words"),
        ("secret_key", "sécret".encode()),
        ("session_token", b"a b"),
        ("session_token", b"a%2F"),
        ("session_token", b"a\n"),
        ("cluster_id", b""),
        ("cluster_id", b"two words"),
        ("cluster_id", b"a\nb"),
        ("cluster_id", "clüster".encode()),
    ],
)
def test_unusual_values(name: str, value: bytes) -> None:
    """A value that botocore might treat differently is left to botocore."""
    assert sign_get_caller_identity(**_GOOD)
    with pytest.raises(NotOnFastPath):
        sign_get_caller_identity(**{**_GOOD, name: value})


@given(st.text(_PRINTABLE, max_size=300))
def test_token_of(url: str) -> None:
    """The token is the prefix and base64url of the URL without padding."""
    expected = base64.urlsafe_b64encode(url.encode()).rstrip(b"=").decode()
    assert token_of(url) == f"k8s-aws-v1.{expected}"
