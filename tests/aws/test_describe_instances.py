"""DescribeInstances: the form, the names in responses, and AWS's errors."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from authd.aws.describe_instances import read_page, request_form
from authd.aws.failures import ExpiredCredentials, failure_of
from authd.aws.xml import InvalidXML, read_xml
from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason

ONE, TWO = "i-0123456789abcdef0", "i-12345678"


def page(*instances, token=""):
    items = "".join(
        f"<item><instancesSet><item><networkInterfaceSet><item><privateDnsName>x.y</privateDnsName></item>"
        f"</networkInterfaceSet><instanceId>{name}</instanceId><privateDnsName>{dns}</privateDnsName></item>"
        f"</instancesSet></item>"
        for name, dns in instances
    )
    return (
        f'<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet>{items}'
        f"</reservationSet><nextToken>{token}</nextToken></DescribeInstancesResponse>"
    ).encode()


def test_form():
    """Instances are selected by a filter, which ignores unknown IDs."""
    assert parse_qs(request_form([ONE, TWO], "t+/").decode()) == {
        "Action": ["DescribeInstances"],
        "Version": ["2016-11-15"],
        "Filter.1.Name": ["instance-id"],
        "Filter.1.Value.1": [ONE],
        "Filter.1.Value.2": [TWO],
        "NextToken": ["t+/"],
    }


def test_names():
    """Only the instances' own names are returned, not those of their network interfaces."""
    read = read_page(page((ONE, "ip-10-0-0-1.ec2.internal"), (TWO, "b"), token="more"))
    assert read.names == {ONE: "ip-10-0-0-1.ec2.internal", TWO: "b"}
    assert read.next_token == "more"


@pytest.mark.parametrize("name", ["", "-a", "a b", "a" * 254, "A.b", "a..b", "a\nb", "&lt;b&gt;"])
def test_no_names(name):
    """Empty and invalid names are ignored."""
    assert read_page(page((ONE, name))).names == {}


@pytest.mark.parametrize("body", [b"", b"<a>", b"{}", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"<a>" * 100])
def test_no_xml(body):
    """Anything but XML without a DTD is refused."""
    with pytest.raises(InvalidXML):
        read_xml(body, lambda *_: None)
    with pytest.raises(Unavailable):
        read_page(body)


def error(code):
    return f"<Response><Errors><Error><Code>{code}</Code><Message>secret</Message></Error></Errors></Response>".encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (503, error("RequestLimitExceeded"), Unavailable, UnavailableReason.INSTANCE_LOOKUP_THROTTLED),
        (
            400,
            b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>",
            Unavailable,
            "instance_lookup_throttled",
        ),
        (429, b"", Unavailable, UnavailableReason.INSTANCE_LOOKUP_THROTTLED),
        (500, error("InternalError"), Unavailable, UnavailableReason.INSTANCE_LOOKUP_FAILED),
        (403, b"<html>", Unavailable, UnavailableReason.INSTANCE_LOOKUP_FAILED),
        (302, b"", Unavailable, UnavailableReason.INSTANCE_LOOKUP_FAILED),
        (400, error("RequestExpired"), ExpiredCredentials, UnavailableReason.INSTANCE_LOOKUP_FAILED),
        (403, error("UnauthorizedOperation"), Denied, DenialReason.INSTANCE_LOOKUP_REFUSED),
        (403, error("AccessDenied"), Denied, DenialReason.INSTANCE_LOOKUP_REFUSED),
    ],
)
def test_failures(status, body, kind, reason):
    """Throttling and AWS's own errors are temporary, refusals are permanent."""
    failure = failure_of(status, body, "DescribeInstances")
    assert (type(failure), failure.reason) == (kind, reason)
    assert "secret" not in failure.message
