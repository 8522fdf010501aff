"""STS's results and errors in JSON and XML, and their HTTP responses.

Source: STS API Reference, for the XML and its namespace. STS responds in JSON to `Accept: application/json`, with
times in seconds since 1970.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

from authd.emulator.sts.actions import Result
from authd.emulator.sts.errors import STSError

if TYPE_CHECKING:
    from authd.emulator.sts.actions import Value

Outcome: TypeAlias = Result | STSError
Headers: TypeAlias = tuple[tuple[str, str], ...]

NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"


@runtime_checkable
class RendersXML(Protocol):
    """An outcome of another AWS service, which has an XML form of its own and no JSON form."""

    def xml(self, request_id: str, /) -> str:
        """Return the response's body."""
        ...


class Format(Enum):
    """The two formats, and the content type of each."""

    JSON = "application/json"
    XML = "text/xml"

    @classmethod
    def accepted_by(cls, accept: bytes | None) -> Format:
        """Return JSON if the Accept header names it, otherwise XML."""
        return cls.JSON if accept is not None and b"application/json" in accept.lower() else cls.XML


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Response:
    """An HTTP response without Content-Length and Connection, which `head` adds."""

    status: int
    headers: Headers
    body: bytes

    def with_body(self, body: bytes, *extra: tuple[str, str]) -> Response:
        """Return the same response with another body and additional headers."""
        return replace(self, body=body, headers=(*self.headers, *extra))

    def head(self, *, length: int | None, close: bool, version: str = "HTTP/1.1") -> bytes:
        """Return the status line and headers. Without `length` there is no Content-Length."""
        fields = list(self.headers)
        if length is not None:  # STS sends it before the date
            place = next((at for at, (name, _) in enumerate(fields) if name == "Date"), len(fields))
            fields.insert(place, ("Content-Length", str(length)))
        if close:
            fields.append(("Connection", "close"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"{version} {self.status} {_reason(self.status)}\r\n{lines}\r\n".encode("latin-1")

    def encode(self, *, close: bool) -> bytes:
        """Return the bytes of the whole response."""
        return self.head(length=len(self.body), close=close) + self.body


def render(outcome: Outcome, form: Format, *, request_id: str, date: str) -> Response:
    """Encode a result or an error. `date` is the value of the Date header."""
    encode = _json if form is Format.JSON and not isinstance(outcome, RendersXML) else _xml
    status = outcome.status if isinstance(outcome, STSError) else int(HTTPStatus.OK)
    return Response(
        status=status,
        headers=(("x-amzn-RequestId", request_id), ("Content-Type", form.value), ("Date", date)),
        body=encode(outcome, request_id).encode(),
    )


def _json(outcome: Outcome, request_id: str) -> str:
    if isinstance(outcome, STSError):
        error = {"Code": outcome.code, "Message": outcome.message, "Type": outcome.kind}
        return compact_json({"Error": error, "RequestId": request_id})
    response = {
        f"{outcome.action}Result": _json_value(outcome.fields),
        "ResponseMetadata": {"RequestId": request_id},
    }
    return compact_json({f"{outcome.action}Response": response})


def compact_json(value: object) -> str:
    """Encode JSON without white space and with sorted members: STS's form for GetCallerIdentity and errors."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _json_value(value: Value) -> object:
    if isinstance(value, Mapping):
        return {name: _json_value(inner) for name, inner in value.items()}
    return value.timestamp() if isinstance(value, datetime) else value


def _xml(outcome: Outcome, request_id: str) -> str:
    if isinstance(outcome, RendersXML):
        return outcome.xml(request_id)
    if isinstance(outcome, STSError):
        error = _element("Type", outcome.kind) + _element("Code", outcome.code) + _element("Message", outcome.message)
        return (
            f'<ErrorResponse xmlns="{NAMESPACE}">\n  <Error>{error}</Error>\n'
            f"  {_element('RequestId', request_id)}\n</ErrorResponse>\n"
        )
    action = outcome.action
    return (
        f'<{action}Response xmlns="{NAMESPACE}">\n  {_element(f"{action}Result", outcome.fields)}\n'
        f"  <ResponseMetadata>{_element('RequestId', request_id)}</ResponseMetadata>\n</{action}Response>\n"
    )


def _element(name: str, value: Value) -> str:
    return f"<{name}>{_xml_content(value)}</{name}>"


def _xml_content(value: Value) -> str:
    if isinstance(value, Mapping):
        return "".join(_element(name, inner) for name, inner in value.items())
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return html.escape(str(value), quote=False)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"
