"""DescribeInstances: the request's form, and the private DNS names in the response.

Source: Amazon EC2 API reference, DescribeInstances.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from authd.aws.instance_names import INSTANCE_ID
from authd.aws.xml import InvalidXML, read_xml
from authd.core.errors import Unavailable, UnavailableReason

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_MAX_NAME_LENGTH = 253
_INSTANCE = "reservationSet/item/instancesSet/item"


class Page(NamedTuple):
    """The names by instance ID, without empty ones, and the token of the next page, empty at the last one."""

    names: Mapping[str, str]
    next_token: str


def request_form(instance_ids: Iterable[str], next_token: str = "") -> bytes:
    """Return the form. A filter ignores unknown IDs, while the parameter InstanceId makes the whole call fail."""
    form = {"Action": "DescribeInstances", "Version": "2016-11-15", "Filter.1.Name": "instance-id"}
    form |= {f"Filter.1.Value.{number}": each for number, each in enumerate(instance_ids, start=1)}
    return urlencode(form | ({"NextToken": next_token} if next_token else {})).encode("ascii")


def read_page(body: bytes) -> Page:
    """Parse a successful response. Raises `Unavailable` if it is not XML."""
    names: dict[str, str] = {}
    current = {"instanceId": "", "privateDnsName": ""}
    token = ""

    def element(path: str, text: str) -> None:
        nonlocal token
        prefix, _, name = path.rpartition("/")
        if prefix == _INSTANCE and name in current:
            current[name] = text
        elif path == _INSTANCE:
            if INSTANCE_ID.fullmatch(current["instanceId"]) and _is_name(current["privateDnsName"]):
                names[current["instanceId"]] = current["privateDnsName"]
            current.update(instanceId="", privateDnsName="")
        elif path == "nextToken":
            token = text

    try:
        read_xml(body, element)
    except InvalidXML:
        raise Unavailable(UnavailableReason.INSTANCE_LOOKUP_FAILED, "EC2's response is not XML") from None
    return Page(names, token)


def _is_name(text: str) -> bool:
    return len(text) <= _MAX_NAME_LENGTH and bool(_NAME.fullmatch(text))
