"""The requests of the soak test, and their expected responses."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from authd.emulator.kube_apiserver import token_review
from benchmarks.clients.connection import Connection, Response
from benchmarks.clients.tokens import FAST_HOST, SLOW_HOST, access_key, foreign, mint

#: The status of each fault of STS. It is 503 if the host's circuit is open.
_FAULTS = {"THROTTLED": 429, "BROKEN": 502, "GARBAGE": 502, "RESET": 502, "STALLED": 504}
_UNAVAILABLE = 503
#: Too many calls in flight, or the signer's budget is used up.
_OVERLOADED = 429
_OK = 200
_RECONNECT_SHARE = 0.01
_MOST_EXAMPLES = 20

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRequest:
    """A body, and the check of its response, which returns a description of the error or an empty text."""

    kind: str
    body: bytes
    fault: Callable[[Response], str]


@dataclass(slots=True, kw_only=True)
class Tally:
    """Responses by kind, wrong responses, and requests without one. `generation` is the newest one seen."""

    answered: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    unanswered: Counter[str] = field(default_factory=Counter)
    generation: int = 0

    def note_wrong(self, kind: str, what: str) -> None:
        """Count a wrong response, and keep the first few descriptions."""
        self.wrong[kind] += 1
        if len(self.examples) < _MOST_EXAMPLES:
            self.examples.append(f"{datetime.now(UTC):%H:%M:%S} {kind}: {what}")


def _token(kind: str, number: int, host: str = FAST_HOST) -> bytes:
    return token_review(mint(access_key(kind, number), datetime.now(UTC), host))


def good(tally: Tally, kind: str = "GOOD") -> CheckedRequest:
    """Review a known caller: it must get its own user name, by a mapping no older than those seen before."""
    number, oldest = next(_numbers) % 500, tally.generation

    def fault(response: Response) -> str:
        user = response.status.get("user", {})
        if response.code != _OK or user.get("username") != f"bench:caller-{number:0{16 - len(kind)}d}":
            return f"status {response.code}, user {user.get('username')!r}, {response.status.get('error', 'no error')}"
        generation = int(user["groups"][0].removeprefix("generation-"))
        tally.generation = max(tally.generation, generation)
        return f"generation {generation} after {oldest}" if generation < oldest else ""

    return CheckedRequest(kind=kind, body=_token(kind, number), fault=fault)


def slow(tally: Tally) -> CheckedRequest:
    """Review a known caller for whom STS takes a second."""
    return good(tally, "SLOW")


def bogus(_tally: Tally) -> CheckedRequest:
    """Review an unknown access key: denied with a message, or rejected as overload."""

    def fault(response: Response) -> str:
        refused = response.code == _OK and response.status.get("authenticated") is False and "error" in response.status
        expected = refused or response.code in {_OVERLOADED, _UNAVAILABLE}
        return "" if expected else f"status {response.code}, {response.status}"

    return CheckedRequest(kind="BOGUS", body=_token("BOGUS", random.randrange(10**9)), fault=fault)


def faulty(_tally: Tally) -> CheckedRequest:
    """Review a caller for whom STS fails: the status of the fault, or of an open circuit."""
    kind, code = random.choice(list(_FAULTS.items()))

    def fault(response: Response) -> str:
        return "" if response.code in {code, _OVERLOADED, _UNAVAILABLE} else f"status {response.code} instead of {code}"

    return CheckedRequest(kind=kind, body=_token(kind, next(_numbers), SLOW_HOST), fault=fault)


def silent(_tally: Tally) -> CheckedRequest:
    """Review a foreign or malformed token: denied without a message."""
    ours = mint(access_key("GOOD", 1), datetime.now(UTC), FAST_HOST)
    body = token_review(random.choice((next(foreign(1)), ours[:-5] + "!" + ours[-4:])))

    def fault(response: Response) -> str:
        clean = response.code == _OK and response.status == {"authenticated": False}
        return "" if clean else f"status {response.code}, {response.status}"

    return CheckedRequest(kind="SILENT", body=body, fault=fault)


def broken(_tally: Tally) -> CheckedRequest:
    """Post a body that is not a TokenReview."""
    body = random.choice((b"", b"{}", b"[" * 5000, b'{"kind":"TokenReview"}', b"\xff\xfe", b"x" * 40_000))

    def fault(response: Response) -> str:
        return "" if response.code == 400 else f"status {response.code} instead of 400"

    return CheckedRequest(kind="BROKEN-BODY", body=body, fault=fault)


#: For each kind of request, the number of clients and their pause in seconds.
MIX: Mapping[Callable[[Tally], CheckedRequest], tuple[int, float]] = {
    good: (16, 0.08),
    slow: (4, 0.2),
    bogus: (6, 0.1),
    faulty: (4, 0.2),
    silent: (4, 0.1),
    broken: (2, 0.2),
}


async def send_repeatedly(
    make: Callable[[Tally], CheckedRequest], pause: float, connection: Connection, tally: Tally
) -> None:
    """Send one kind of request until cancelled, sometimes on a new connection."""
    while True:
        request = make(tally)
        try:
            response = await connection.post(request.body)
        except (OSError, EOFError, TimeoutError) as error:
            tally.unanswered[f"{request.kind}: {type(error).__name__}"] += 1
        else:
            tally.answered[request.kind] += 1
            what = request.fault(response)
            if what:
                tally.note_wrong(request.kind, what)
        if random.random() < _RECONNECT_SHARE:
            connection.close()
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
