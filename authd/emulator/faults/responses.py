"""The responses that faults send instead of the regular one."""

from __future__ import annotations

import gzip
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from authd.emulator.faults.plan import Fault, Injection
from authd.emulator.sts.actions import Result
from authd.emulator.sts.errors import STSError
from authd.emulator.sts.responses import Format, Outcome, Response, compact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authd.emulator.faults.steps import Exchange

_MIB: Final = 1024 * 1024
_OVERSIZE_BYTES: Final = 4 * _MIB
_BOMB_BYTES: Final = 64 * _MIB
_LONG_HEADER_CHARS: Final = 256 * 1024
#: Exceeds every recursion limit, in a body that clients accept by its size.
_DEPTH: Final = 5_000
#: A caller that never sends a request. No client may ever be identified as it.
INTRUDER: Final[Mapping[str, str]] = MappingProxyType(
    {"Account": "666666666666", "Arn": "arn:aws:iam::666666666666:root", "UserId": "666666666666"}
)


def _error(code: str, message: str, status: int) -> Callable[[Exchange, Injection], Response]:
    return lambda exchange, _: exchange.render(STSError(code, message, status))


def _bad_gateway(exchange: Exchange, _: Injection) -> Response:
    headers = (("Date", exchange.date), ("Content-Type", "text/html"))
    return Response(status=502, headers=headers, body=b"<html><body><h1>502 Bad Gateway</h1></body></html>")


def _redirect(exchange: Exchange, injection: Injection) -> Response:
    location = f"https://{injection.location}{exchange.target.decode('latin-1')}"
    return Response(status=302, headers=(("Date", exchange.date), ("Location", location)), body=b"")


def _gzip(exchange: Exchange, _: Injection) -> Response:
    return exchange.response.with_body(gzip.compress(exchange.response.body), ("Content-Encoding", "gzip"))


def _gzip_bomb(exchange: Exchange, _: Injection) -> Response:
    return exchange.response.with_body(_bomb(), ("Content-Encoding", "gzip"))


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * _BOMB_BYTES, compresslevel=9)


def _success(body: bytes) -> Callable[[Exchange, Injection], Response]:
    return lambda exchange, _: replace(exchange.response, status=200, body=body)


def _oversized(exchange: Exchange, _: Injection) -> Response:
    return exchange.response.with_body(exchange.response.body + b" " * _OVERSIZE_BYTES)


def _long_header(exchange: Exchange, _: Injection) -> Response:
    return exchange.response.with_body(exchange.response.body, ("X-Long", "x" * _LONG_HEADER_CHARS))


def _identity(change: Callable[[dict[str, str]], Mapping[str, str]]) -> Callable[[Exchange, Injection], Response]:
    def make(exchange: Exchange, _: Injection) -> Response:
        return exchange.render(Result(action="GetCallerIdentity", fields=change(dict(caller_fields(exchange.outcome)))))

    return make


def caller_fields(outcome: Outcome) -> Mapping[str, str]:
    """Return the caller of an outcome, or the intruder if it has none."""
    if isinstance(outcome, Result) and outcome.action == "GetCallerIdentity":
        return {name: str(outcome.fields[name]) for name in ("Account", "Arn", "UserId")}
    return INTRUDER


def _other_partition(fields: dict[str, str]) -> Mapping[str, str]:
    _, partition, resource = fields["Arn"].split(":", 2)
    other = "aws" if partition != "aws" else "aws-cn"
    return fields | {"Arn": f"arn:{other}:{resource}"}


def _json_result(exchange: Exchange, result: str) -> Response:
    metadata = compact_json({"RequestId": exchange.request_id})
    body = f'{{"GetCallerIdentityResponse":{{"GetCallerIdentityResult":{result},"ResponseMetadata":{metadata}}}}}'
    return replace(exchange.render(exchange.outcome, Format.JSON), status=200, body=body.encode())


def _wrong_types(exchange: Exchange, _: Injection) -> Response:
    return _json_result(exchange, '{"Account":111122223333,"Arn":["arn"],"UserId":null}')


def _duplicate_keys(exchange: Exchange, _: Injection) -> Response:
    regular = caller_fields(exchange.outcome)
    members = ",".join(compact_json(dict(fields))[1:-1] for fields in (INTRUDER, regular))
    return _json_result(exchange, f"{{{members}}}")


def _other_action(exchange: Exchange, _: Injection) -> Response:
    caller = caller_fields(exchange.outcome)
    user = {"AssumedRoleId": caller["UserId"], "Arn": caller["Arn"]}
    return exchange.render(Result(action="AssumeRole", fields={**caller, "AssumedRoleUser": user}))


def _utf16(exchange: Exchange, _: Injection) -> Response:
    regular = exchange.response
    headers = tuple(
        (name, f"{value}; charset=utf-16" if name == "Content-Type" else value) for name, value in regular.headers
    )
    return replace(regular, headers=headers, body=regular.body.decode().encode("utf-16"))


FAULTY_RESPONSES: Final[Mapping[Fault, Callable[[Exchange, Injection], Response]]] = {
    Fault.THROTTLE: _error("Throttling", "Rate exceeded", 400),
    Fault.REQUEST_LIMIT: _error("RequestLimitExceeded", "Request limit exceeded.", 400),
    Fault.INTERNAL_FAILURE: _error("InternalFailure", "The request processing has failed.", 500),
    Fault.BAD_GATEWAY: _bad_gateway,
    Fault.UNAVAILABLE: _error("ServiceUnavailable", "Service is unavailable", 503),
    Fault.EXPIRED: _error("ExpiredToken", "The security token included in the request is expired", 403),
    Fault.REDIRECT: _redirect,
    Fault.GZIP: _gzip,
    Fault.GZIP_BOMB: _gzip_bomb,
    Fault.GARBAGE: _success(bytes(range(256))),
    Fault.EMPTY: _success(b""),
    Fault.OVERSIZED: _oversized,
    Fault.LONG_HEADER: _long_header,
    Fault.WRONG_ACCOUNT: _identity(lambda fields: fields | {"Account": "999999999999"}),
    Fault.WRONG_PARTITION: _identity(_other_partition),
    Fault.WRONG_TYPES: _wrong_types,
    Fault.XML: lambda exchange, _: exchange.render(exchange.outcome, Format.XML),
    Fault.OTHER_ACTION: _other_action,
    Fault.DUPLICATE_KEYS: _duplicate_keys,
    Fault.DEEP_JSON: _success(b"[" * _DEPTH + b"]" * _DEPTH),
    Fault.UTF16: _utf16,
}
