"""The credentials of `ec2DescribeInstancesRoleARN`, which the daemon assumes with its own credentials.

`sourceARN` and its account are sent with the request, so that the role's trust policy can refuse other callers.
Source: IAM user guide, "The confused deputy problem".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode

from twisted.internet.defer import DeferredLock

from authd.aws.signing import Credentials
from authd.aws.xml import InvalidXML, read_xml
from authd.core.errors import Unavailable, UnavailableReason

_SESSION_SECONDS = 3600
#: Seconds before the end of the session at which the role is assumed again.
_MARGIN_SECONDS = 600
_SESSION_NAME = "authd"
_ACCOUNT_FIELD = 4
_CREDENTIALS = "AssumeRoleResult/Credentials/"

Post = Callable[[bytes, Mapping[str, str]], Awaitable[bytes]]


class AssumedRole:
    """Assumes the role when needed. `post` sends a form with headers to STS and returns a successful response's body.

    `now` is a monotonic clock in seconds.
    """

    def __init__(self, role_arn: str, source_arn: str, post: Post, now: Callable[[], float]) -> None:
        self._role_arn = role_arn
        self._source_arn = source_arn
        self._post = post
        self._now = now
        self._lock = DeferredLock()
        self._credentials: Credentials | None = None
        self._until = 0.0

    async def credentials(self) -> Credentials:
        """Return valid credentials. Concurrent callers share one call. Raises `Denied` or `Unavailable`."""
        await self._lock.acquire()
        try:
            return await self._valid()
        finally:
            self._lock.release()

    async def _valid(self) -> Credentials:
        if self._credentials is None or self._now() >= self._until:
            begun = self._now()
            body = await self._post(self._form(), self._headers())
            self._credentials = _read(body)
            self._until = begun + _SESSION_SECONDS - _MARGIN_SECONDS
        return self._credentials

    def forget(self) -> None:
        """Assume the role again at the next call."""
        self._credentials = None

    def _form(self) -> bytes:
        form = {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": self._role_arn,
            "RoleSessionName": _SESSION_NAME,
            "DurationSeconds": str(_SESSION_SECONDS),
        }
        return urlencode(form).encode("ascii")

    def _headers(self) -> dict[str, str]:
        if not self._source_arn:
            return {}
        fields = self._source_arn.split(":")
        account = fields[_ACCOUNT_FIELD] if len(fields) > _ACCOUNT_FIELD else ""
        return {"x-amz-source-arn": self._source_arn, "x-amz-source-account": account}


def _read(body: bytes) -> Credentials:
    found: dict[str, str] = {}

    def element(path: str, text: str) -> None:
        if path.startswith(_CREDENTIALS):
            found[path.removeprefix(_CREDENTIALS)] = text

    try:
        read_xml(body, element)
        return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    except (InvalidXML, KeyError):
        raise Unavailable(
            UnavailableReason.INSTANCE_LOOKUP_FAILED, "STS's response to AssumeRole is not valid"
        ) from None
