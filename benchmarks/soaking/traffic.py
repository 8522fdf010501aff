"""The soak's traffic: the requests, and their right responses."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from authd.emulator.kube_apiserver import token_review
from benchmarks.clients.connection import Answer, Connection
from benchmarks.clients.tokens import FAST_HOST, SLOW_HOST, access_key, foreign, mint

#: Statuses for temporary trouble, one for each fault, and 503 if the host's circuit has opened meanwhile.
_FAULTS = {"THROTTLED": 429, "BROKEN": 502, "GARBAGE": 502, "RESET": 502, "STALLED": 504}
_UNAVAILABLE = 503
#: Too many calls under way, or a signer's budget is used up.
_OVERLOADED = 429
_OK = 200
_RECONNECT_SHARE = 0.01
_MOST_EXAMPLES = 20

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A body, and the check of its response, which returns a description of the fault or nothing."""

    kind: str
    body: bytes
    fault: Callable[[Answer], str]


@dataclass(slots=True, kw_only=True)
class Tally:
    """Responses by kind, wrong ones, and reviews without one. `generation` is the newest one seen."""

    answered: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    unanswered: Counter[str] = field(default_factory=Counter)
    generation: int = 0

    def note_wrong(self, kind: str, what: str) -> None:
        """Note a wrong response, with a description of the first few."""
        self.wrong[kind] += 1
        if len(self.examples) < _MOST_EXAMPLES:
            self.examples.append(f"{datetime.now(UTC):%H:%M:%S} {kind}: {what}")


def _token(kind: str, number: int, host: str = FAST_HOST) -> bytes:
    return token_review(mint(access_key(kind, number), datetime.now(UTC), host))


def good(tally: Tally, kind: str = "GOOD") -> Question:
    """Review a known caller: the user name must be theirs, by a mapping as new as any seen before."""
    number, oldest = next(_numbers) % 500, tally.generation

    def fault(answer: Answer) -> str:
        user = answer.status.get("user", {})
        if answer.code != _OK or user.get("username") != f"bench:caller-{number:0{16 - len(kind)}d}":
            return f"status {answer.code}, user {user.get('username')!r}, {answer.status.get('error', 'no error')}"
        generation = int(user["groups"][0].removeprefix("generation-"))
        tally.generation = max(tally.generation, generation)
        return f"generation {generation} after {oldest}" if generation < oldest else ""

    return Question(kind=kind, body=_token(kind, number), fault=fault)


def slow(tally: Tally) -> Question:
    """Review a known caller for whom STS takes a second."""
    return good(tally, "SLOW")


def bogus(_tally: Tally) -> Question:
    """Review an unknown access key: a denial with a message, or turned away."""

    def fault(answer: Answer) -> str:
        refused = answer.code == _OK and answer.status.get("authenticated") is False and "error" in answer.status
        return "" if refused or answer.code in {_OVERLOADED, _UNAVAILABLE} else f"status {answer.code}, {answer.status}"

    return Question(kind="BOGUS", body=_token("BOGUS", random.randrange(10**9)), fault=fault)


def faulty(_tally: Tally) -> Question:
    """Review a caller for whom STS fails: the fault's status, or an open circuit's."""
    kind, code = random.choice(list(_FAULTS.items()))

    def fault(answer: Answer) -> str:
        return "" if answer.code in {code, _OVERLOADED, _UNAVAILABLE} else f"status {answer.code} instead of {code}"

    return Question(kind=kind, body=_token(kind, next(_numbers), SLOW_HOST), fault=fault)


def silent(_tally: Tally) -> Question:
    """Review a foreign or malformed token: a denial without a message."""
    ours = mint(access_key("GOOD", 1), datetime.now(UTC), FAST_HOST)
    body = token_review(random.choice((next(foreign(1)), ours[:-5] + "!" + ours[-4:])))

    def fault(answer: Answer) -> str:
        clean = answer.code == _OK and answer.status == {"authenticated": False}
        return "" if clean else f"status {answer.code}, {answer.status}"

    return Question(kind="SILENT", body=body, fault=fault)


def broken(_tally: Tally) -> Question:
    """Post a body that is not a TokenReview."""
    body = random.choice((b"", b"{}", b"[" * 5000, b'{"kind":"TokenReview"}', b"\xff\xfe", b"x" * 40_000))

    def fault(answer: Answer) -> str:
        return "" if answer.code == 400 else f"status {answer.code} instead of 400"

    return Question(kind="BROKEN-BODY", body=body, fault=fault)


#: For each kind of request, the number of clients and their pause in seconds.
MIX: Mapping[Callable[[Tally], Question], tuple[int, float]] = {
    good: (16, 0.08),
    slow: (4, 0.2),
    bogus: (6, 0.1),
    faulty: (4, 0.2),
    silent: (4, 0.1),
    broken: (2, 0.2),
}


async def ask_on(ask: Callable[[Tally], Question], pause: float, connection: Connection, tally: Tally) -> None:
    """Send one kind of request until cancelled, now and then on a new connection."""
    while True:
        question = ask(tally)
        try:
            answer = await connection.post(question.body)
        except (OSError, EOFError, TimeoutError) as error:
            tally.unanswered[f"{question.kind}: {type(error).__name__}"] += 1
        else:
            tally.answered[question.kind] += 1
            what = question.fault(answer)
            if what:
                tally.note_wrong(question.kind, what)
        if random.random() < _RECONNECT_SHARE:
            connection.close()
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
