"""The daemon's calls to EC2, and to STS for the role that may describe instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.http_headers import Headers

from authd.aws.assumed_role import AssumedRole
from authd.aws.describe_instances import read_page, request_form
from authd.aws.failures import ExpiredCredentials, failure_of
from authd.aws.signing import Call, Credentials, Signer
from authd.core.errors import Unavailable, UnavailableReason
from authd.exchange.call import collect, exchanging, send, within
from authd.exchange.errors import ExchangeError, TimedOut

#: Enough for a hundred instances with many network interfaces and tags.
_MAX_BODY_BYTES = 8 * 1024 * 1024
_MAX_PAGES = 10
#: Signed headers that the HTTP client sets itself.
_UNSENT = frozenset({"host", "content-length"})


class Hosts(Protocol):
    """Provides endpoints for AWS's hosts."""

    def endpoint(self, host: str, /) -> IStreamClientEndpoint:
        """Return an endpoint that verifies the host's certificate."""
        ...


class EC2:
    """Describes instances with the daemon's credentials, or as `role_arn` if there is one.

    `suffix` is the partition's DNS suffix. `timeout` is in seconds, for each call.
    """

    def __init__(
        self,
        reactor: Any,
        hosts: Hosts,
        signer: Signer,
        *,
        suffix: str,
        role_arn: str = "",
        source_arn: str = "",
        timeout: float = 5.0,
    ) -> None:
        self._reactor = reactor
        self._hosts = hosts
        self._signer = signer
        self._suffix = suffix
        self._timeout = timeout
        self._role = AssumedRole(role_arn, source_arn, self._assume_role, reactor.seconds) if role_arn else None

    async def private_dns_names(self, instance_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the names of the instances that have one. Raises `Denied` or `Unavailable`."""
        try:
            return await self._describe(instance_ids)
        except ExpiredCredentials:
            self._signer.forget()
            if self._role is not None:
                self._role.forget()
            raise

    async def _describe(self, instance_ids: Sequence[str]) -> Mapping[str, str]:
        names: dict[str, str] = {}
        token = ""
        credentials = await self._role.credentials() if self._role is not None else None
        for _ in range(_MAX_PAGES):
            form = request_form(instance_ids, token)
            page = read_page(await self._post("ec2", "DescribeInstances", form, {}, credentials))
            names.update(page.names)
            token = page.next_token
            if not token:
                break
        return names

    async def _assume_role(self, form: bytes, headers: Mapping[str, str]) -> bytes:
        return await self._post("sts", "AssumeRole", form, headers, None)

    async def _post(
        self, service: str, action: str, form: bytes, headers: Mapping[str, str], credentials: Credentials | None
    ) -> bytes:
        region = await self._signer.region()
        call = Call(service, region, f"{service}.{region}.{self._suffix}", form, headers)
        signed = await self._signer.sign(call, credentials)
        try:
            status, body = await within(
                self._reactor, self._timeout, Deferred.fromCoroutine(self._exchange(call, signed)), call.host
            )
        except TimedOut:
            message = f"AWS did not answer {action} within {self._timeout:.0f} seconds"
            raise Unavailable(UnavailableReason.INSTANCE_LOOKUP_TIMEOUT, message) from None
        except ExchangeError as error:
            raise Unavailable(UnavailableReason.INSTANCE_LOOKUP_FAILED, f"{action} failed: {error}") from None
        if status != HTTPStatus.OK:
            raise failure_of(status, body, action)
        return bytes(body)

    async def _exchange(self, call: Call, signed: Mapping[str, str]) -> tuple[int, bytes]:
        headers = Headers({name: [value] for name, value in signed.items() if name.lower() not in _UNSENT})
        async with exchanging(self._reactor, self._hosts.endpoint(call.host), call.host) as exchange:
            response = await send(self._reactor, exchange, "POST", call.url, headers, body=call.body)
            return response.code, await collect(response, _MAX_BODY_BYTES)
