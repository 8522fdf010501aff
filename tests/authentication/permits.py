"""Test helpers: requests, a limiter's permits, and a simulated slow STS."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater

from authd.authentication.call_limiter import CallLimiter
from authd.authentication.callers import Verdict
from authd.authentication.fair_pool import Permit
from authd.core.errors import Unavailable
from authd.core.token import PresignedRequest

HOST = "sts.us-east-1.amazonaws.com"
OTHER_HOST = "sts.eu-west-1.amazonaws.com"


def presigned(key: str, number: int = 0, host: str = HOST) -> PresignedRequest:
    """Return a request. Requests with the same key and another number have different tokens."""
    return PresignedRequest(
        host=host,
        region=host.split(".")[1],
        access_key_id=key,
        credentials=f"credentials of {key}",
        date=0,
        digest=f"{key}-{number}",
        target="/",
    )


def acquire(limiter: CallLimiter, request: PresignedRequest) -> Deferred[Permit]:
    """Call `acquire`. The Deferred's result is a permit or `Unavailable`."""
    asked = Deferred.fromCoroutine(limiter.acquire(request))
    asked.addErrback(lambda failure: failure.value if failure.check(Unavailable) else failure)
    return asked


def granted(asked: Deferred[Permit]) -> Permit:
    """Return the acquired permit. Fails if there is none yet."""
    assert asked.called, "still waiting"
    assert isinstance(asked.result, Permit), asked.result
    return asked.result


def refused(asked: Deferred[Permit]) -> bool:
    """Return whether a permit was refused."""
    return asked.called and isinstance(asked.result, Unavailable)


def call(limiter: CallLimiter, request: PresignedRequest, verdict: Verdict = Verdict.MAPPED) -> None:
    """Make a call that ends at once with a verdict."""
    limiter.release(granted(acquire(limiter, request)), verdict)


class SlowSTS:
    """An STS whose calls take `seconds` on a fake clock and end with the verdict of `judge`. `calls` counts them."""

    def __init__(
        self, clock: Clock, limiter: CallLimiter, judge: Callable[[PresignedRequest], Verdict], seconds: float = 0.05
    ) -> None:
        self._clock = clock
        self._limiter = limiter
        self._judge = judge
        self._seconds = seconds
        self.calls = 0

    def review(self, request: PresignedRequest) -> Deferred[Verdict | None]:
        """Return the verdict on a request, None if it is rejected."""
        return Deferred.fromCoroutine(self._review(request))

    async def _review(self, request: PresignedRequest) -> Verdict | None:
        try:
            permit = await self._limiter.acquire(request)
        except Unavailable:
            return None
        self.calls += 1
        await deferLater(self._clock, self._seconds)
        verdict = self._judge(request)
        self._limiter.release(permit, verdict)
        return verdict

    async def retry(self, request: PresignedRequest) -> Verdict | None:
        """Review as kube-apiserver does: up to five tries, which begin within four seconds of the first rejection."""
        verdict = await self._review(request)
        for pause in (0.5, 0.75, 1.125, 1.6875):
            if verdict is not None:
                break
            await deferLater(self._clock, pause)
            verdict = await self._review(request)
        return verdict
