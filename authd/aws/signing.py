"""Signs the daemon's own requests with botocore, which is imported on demand and runs in a thread.

A session costs 7 MB and 75 ms, and finding credentials may call the instance metadata service or STS.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, DeferredLock

from authd.core.errors import Unavailable, UnavailableReason


class Credentials(NamedTuple):
    """An access key, with the session token if it is temporary."""

    access_key: str
    secret_key: str
    token: str

    def __repr__(self) -> str:
        return "<Credentials>"


class Call(NamedTuple):
    """A POST of a form to a service's host, and additional headers to sign."""

    service: str
    region: str
    host: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def url(self) -> str:
        """The URL of the request."""
        return f"https://{self.host}/"


class Signer:
    """Finds credentials by botocore's chain: environment, profile, web identity, container, instance metadata.

    `in_thread` calls a function with arguments in a thread. One call runs at a time, because a session is not
    thread-safe.
    """

    def __init__(self, reactor: Any, in_thread: Callable[..., Deferred[Any]], *, timeout: float = 10.0) -> None:
        self._reactor = reactor
        self._in_thread = in_thread
        self._timeout = timeout
        self._lock = DeferredLock()
        self._session: Any = None

    async def region(self) -> str:
        """Return the daemon's region. Raises `Unavailable` if it is unknown."""
        region: str = await self._run(self._find_region)
        return region

    async def sign(self, call: Call, credentials: Credentials | None = None) -> Mapping[str, str]:
        """Return the headers of the signed request. Raises `Unavailable` if there are no credentials."""
        headers: Mapping[str, str] = await self._run(self._sign, call, credentials)
        return headers

    def forget(self) -> None:
        """Find credentials again at the next call. Call this if AWS refuses them as expired."""
        self._session = None

    async def _run(self, function: Callable[..., Any], *arguments: object) -> Any:
        # A thread can't be cancelled. It keeps the lock until it ends, and only the wait for it has a deadline.
        work: Deferred[Any] = self._lock.run(self._in_thread, function, *arguments)
        result: Deferred[Any] = Deferred()
        work.addBoth(lambda outcome: None if result.called else result.callback(outcome))
        return await result.addTimeout(self._timeout, self._reactor, onTimeoutCancel=_late)

    def _loaded(self) -> Any:
        from botocore.session import Session  # most daemons never need it

        if self._session is None:
            self._session = Session()
        return self._session

    def _find_region(self) -> str:
        from botocore.utils import IMDSRegionProvider  # as above

        session = self._loaded()
        # botocore reads AWS_DEFAULT_REGION alone, but EKS and ECS set AWS_REGION, and other SDKs read it.
        region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
        region = region or IMDSRegionProvider(session).provide()
        if not isinstance(region, str) or not region:
            message = "the region of EC2 is unknown: set AWS_REGION in the daemon's environment"
            raise Unavailable(UnavailableReason.INSTANCE_LOOKUP_FAILED, message)
        return region

    def _sign(self, call: Call, credentials: Credentials | None) -> Mapping[str, str]:
        from botocore import credentials as chain  # as above
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        known: Any = chain.Credentials(*credentials) if credentials is not None else self._own_credentials()
        content_type = "application/x-www-form-urlencoded; charset=utf-8"
        headers = {"Content-Type": content_type, "Host": call.host, **call.headers}
        request = AWSRequest(method="POST", url=call.url, data=call.body, headers=headers)
        SigV4Auth(known, call.service, call.region).add_auth(request)
        return dict(request.headers.items())

    def _own_credentials(self) -> Any:
        try:
            found = self._loaded().get_credentials()
            frozen = found.get_frozen_credentials() if found is not None else None
        except Exception as error:  # each provider of the chain has its own exceptions
            kind = type(error).__name__
            message = f"the daemon's AWS credentials can't be read ({kind})"
            raise Unavailable(UnavailableReason.INSTANCE_LOOKUP_FAILED, message) from None
        if frozen is None or not frozen.access_key:
            message = "the daemon has no AWS credentials: give its pod or instance a role"
            raise Unavailable(UnavailableReason.INSTANCE_LOOKUP_FAILED, message)
        return frozen


def _late(_result: object, seconds: float) -> None:
    message = f"the daemon's AWS credentials were not available within {seconds:.0f} seconds"
    raise Unavailable(UnavailableReason.INSTANCE_LOOKUP_TIMEOUT, message)
