"""One HTTP call with treq over its own connection. Every network failure is raised as an `ExchangeError`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from OpenSSL import SSL
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.python.failure import Failure
from twisted.web.client import RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from authd.exchange.agent import Body, Exchange
from authd.exchange.bodies import BodyReceiver, Collector
from authd.exchange.errors import ExchangeError, TimedOut, Unreachable
from authd.exchange.no_cookies import NoCookies

_INCOMPLETE = (ResponseNeverReceived, ResponseFailed, RequestTransmissionFailed)


@asynccontextmanager
async def exchanging(reactor: Any, endpoint: IStreamClientEndpoint, server: str) -> AsyncIterator[Exchange]:
    """Provide an exchange, and close its connection at the end. `server` is its name in messages.

    Network failures in the block are raised as an `ExchangeError`.
    """
    exchange = Exchange(reactor, endpoint)
    try:
        yield exchange
    except ConnectTimeoutError:
        raise _late(server) from None
    except ConnectingCancelledError:
        raise CancelledError from None
    except _INCOMPLETE as error:
        raise _incomplete(error.reasons, server) from None
    except (ConnectError, OSError, SSL.Error) as error:  # a failed DNS look-up is an OSError
        raise Unreachable(f"no connection to {server} ({type(error).__name__})") from None
    finally:
        exchange.abort()


async def send(
    reactor: Any, exchange: Exchange, method: str, url: str, headers: Headers, *, body: bytes | None = None
) -> IResponse:
    """Send a request, and return the response once its head is complete. Redirects are not followed."""
    cookies = NoCookies()
    response: IResponse = await HTTPClient(exchange, cookiejar=cookies).request(
        method,
        url,
        headers=headers,
        data=None if body is None else Body(body),
        cookies=cookies,
        allow_redirects=False,
        unbuffered=True,
        reactor=reactor,
    )
    return response


async def collect(response: IResponse, limit: int) -> bytes:
    """Return the whole body. Raises `TooLong` if it has more than `limit` bytes."""
    collector = Collector(limit)
    body = BodyReceiver(collector.receive)
    response.deliverBody(body)
    await body.ended
    return collector.body


async def within(reactor: Any, seconds: float, call: Deferred[Any], server: str) -> Any:
    """Return the result of a call, or cancel it at the deadline and raise `TimedOut`."""

    def at_deadline(result: Any, _seconds: float) -> Any:
        if isinstance(result, Failure):  # any error: each stage of a call has its own when it is cancelled
            raise _late(server)
        return result

    return await call.addTimeout(seconds, reactor, onTimeoutCancel=at_deadline)


def _late(server: str) -> TimedOut:
    return TimedOut(f"{server} did not answer in time")


def _incomplete(reasons: list[Failure], server: str) -> ExchangeError:
    if any(reason.check(SSL.Error) for reason in reasons):
        return Unreachable(
            f"TLS with {server} failed: its certificate is not trusted or not for this host, or it refuses ours"
        )
    if any(reason.check(CancelledError) for reason in reasons):
        return _late(server)
    kinds = ", ".join(str(reason.type and reason.type.__name__) for reason in reasons)
    return Unreachable(f"the connection to {server} ended early ({kinds})")
