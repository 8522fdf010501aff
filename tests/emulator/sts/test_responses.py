from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from botocore.parsers import create_parser
from botocore.session import get_session

from authd.emulator.sts.actions import Result
from authd.emulator.sts.errors import STSError, access_denied
from authd.emulator.sts.responses import Format, Outcome, Response, render

IDENTITY = Result(
    action="GetCallerIdentity",
    fields={"Arn": "arn:aws:iam::111122223333:user/a&b", "UserId": "AIDA0", "Account": "111122223333"},
)
ROLE = Result(
    action="AssumeRole",
    fields={
        "AssumedRoleUser": {"AssumedRoleId": "AROA0:s", "Arn": "arn:aws:sts::111122223333:assumed-role/r/s"},
        "Credentials": {"AccessKeyId": "ASIA0", "Expiration": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)},
    },
)


def rendered(outcome: Outcome, form: Format) -> Response:
    return render(outcome, form, request_id="r-1", date="Thu, 01 Jan 1970 00:00:00 GMT")


def test_json_identity() -> None:
    """The JSON of GetCallerIdentity has exactly STS's members."""
    response = rendered(IDENTITY, Format.JSON)
    assert json.loads(response.body) == {
        "GetCallerIdentityResponse": {
            "GetCallerIdentityResult": {
                "Account": "111122223333",
                "Arn": "arn:aws:iam::111122223333:user/a&b",
                "UserId": "AIDA0",
            },
            "ResponseMetadata": {"RequestId": "r-1"},
        }
    }
    assert response.status == 200
    assert dict(response.headers) == {
        "x-amzn-RequestId": "r-1",
        "Content-Type": "application/json",
        "Date": "Thu, 01 Jan 1970 00:00:00 GMT",
    }


def test_json_time() -> None:
    """In JSON an expiration is a number of seconds since 1970."""
    members = json.loads(rendered(ROLE, Format.JSON).body)
    assert members["AssumeRoleResponse"]["AssumeRoleResult"]["Credentials"]["Expiration"] == 1767323045


@pytest.mark.parametrize(("status", "kind"), [(403, "Sender"), (400, "Sender"), (500, "Receiver"), (503, "Receiver")])
def test_json_error(status: int, kind: str) -> None:
    """A JSON error has code, message, type and request ID, and says who caused it."""
    response = rendered(STSError("Code", "A sentence.", status), Format.JSON)
    assert response.status == status
    assert json.loads(response.body) == {
        "Error": {"Code": "Code", "Message": "A sentence.", "Type": kind},
        "RequestId": "r-1",
    }


def parsed(response: Response, operation: str) -> dict[str, object]:
    model = get_session().get_service_model("sts").operation_model(operation)
    received = {"status_code": response.status, "headers": dict(response.headers), "body": response.body}
    return create_parser("query").parse(received, model.output_shape)


def test_xml_for_botocore() -> None:
    """Botocore reads all values from the XML, special characters and times included."""
    fields = parsed(rendered(IDENTITY, Format.XML), "GetCallerIdentity")
    assert {name: fields[name] for name in IDENTITY.fields} == IDENTITY.fields
    assert fields["ResponseMetadata"]["RequestId"] == "r-1"
    role = parsed(rendered(ROLE, Format.XML), "AssumeRole")
    assert role["Credentials"]["Expiration"] == ROLE.fields["Credentials"]["Expiration"]
    assert role["AssumedRoleUser"] == ROLE.fields["AssumedRoleUser"]


def test_xml_error_for_botocore() -> None:
    """Botocore reads code, message, type and request ID from an XML error."""
    fields = parsed(rendered(access_denied("arn:<&>", "AssumeRole", "arn:x"), Format.XML), "GetCallerIdentity")
    assert fields["Error"] == {
        "Type": "Sender",
        "Code": "AccessDenied",
        "Message": "User: arn:<&> is not authorized to perform: sts:AssumeRole on resource: arn:x",
    }
    assert fields["ResponseMetadata"]["RequestId"] == "r-1"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (b"application/json", Format.JSON),
        (b"application/json, */*;q=0.1", Format.JSON),
        (b"*/*", Format.XML),
        (b"text/xml", Format.XML),
        (None, Format.XML),
    ],
)
def test_format(accept: bytes | None, form: Format) -> None:
    """JSON is sent if the client accepts it."""
    assert Format.accepted_by(accept) is form


def test_on_the_wire() -> None:
    """The response has its length, and the connection header if the connection ends."""
    response = Response(status=302, headers=(("Location", "https://x/"),), body=b"ab")
    assert response.encode(close=True) == (
        b"HTTP/1.1 302 Found\r\nLocation: https://x/\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab"
    )
    assert b"Connection" not in response.encode(close=False)
