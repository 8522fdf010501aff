"""The mappings and faults of a chaos run over time. Checks the result of each login against them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.clients.apiserver import Login

#: Seconds within which a reload takes effect, and the circuit of a recovered host closes. A probe of a stalled host
#: ends after the timeout of two seconds, and the next one begins up to 1.5 seconds later.
RELOAD_SECONDS, _RECOVERY_SECONDS = 15.0, 7.0
#: A restarted daemon knows no caller until STS has confirmed a token.
_RESTART_SECONDS = 5.0
_OK, _MOST_EXAMPLES = 200, 30


class Generation(NamedTuple):
    """A settings file: its number, which its group names contain, the unmapped users, and when it was written."""

    number: int
    removed: frozenset[str]
    written: float


@dataclass(slots=True)
class Trouble:
    """A fault of one STS host, or of the daemon (""). `total` if it affects every response."""

    host: str
    total: bool
    begin: float
    end: float = float("inf")

    def explains(self, host: str, login: Login) -> bool:
        """Return whether a login may have failed because of it."""
        grace = _RECOVERY_SECONDS if self.host else _RESTART_SECONDS
        over = login.began + login.seconds
        return self.host in {"", host} and self.begin <= over and login.began <= self.end + grace

    def prevents(self, host: str, login: Login) -> bool:
        """Return whether no login could succeed."""
        return self.total and self.host == host and self.begin < login.began and login.began + login.seconds < self.end


@dataclass(slots=True, kw_only=True)
class Truth:
    """The mappings and faults so far, and the results of the checks."""

    generations: list[Generation] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    #: The newest generation in a response, and the beginning of the latest accepted login.
    seen: int = 0
    last_accepted: float = float("-inf")
    #: The number of times that this machine was too busy for the run.
    stalls: int = 0

    def stalled(self, host: str, seconds: float) -> None:
        """Record that this machine was too busy for an emulated host, or for the run (""): calls may time out."""
        now = time.monotonic()
        self.stalls += 1
        self.troubles.append(Trouble(host, total=False, begin=now - seconds - _RECOVERY_SECONDS, end=now))

    @contextmanager
    def trouble(self, host: str, *, total: bool = False) -> Iterator[None]:
        """Record a fault of a host, or of the daemon (""), for the block."""
        trouble = Trouble(host, total, time.monotonic())
        self.troubles.append(trouble)
        try:
            yield
        finally:
            trouble.end = time.monotonic()

    def check_known(self, name: str, host: str, login: Login) -> None:
        """Check the login of a known user with a valid token."""
        possible = self._possible(login)
        mapped = {name not in generation.removed for generation in possible}
        if login.username is not None:
            self._check_accepted(name, host, login, possible)
        elif mapped == {False} or (False in mapped and login.reason == "identity_not_mapped"):
            self.counts["refused without a mapping"] += 1
        elif login.codes[-1] == _OK:
            self._fail("final no for a known user", f"{name} at {host}: {login.reason}, {login.codes}")
        elif any(trouble.explains(host, login) for trouble in self.troubles):
            self.counts["not decided during trouble of the host or a restart"] += 1
        else:
            self._fail("known user kept out", f"{name} at {host}: {login.codes} in {login.seconds:.1f} s")

    def check_stranger(self, kind: str, login: Login) -> None:
        """Check a login with a token that must not be accepted."""
        if login.username is None:
            self.counts[f"refused: {kind}"] += 1
        else:
            self._fail("wrong yes", f"{kind} as {login.username}")

    def _check_accepted(self, name: str, host: str, login: Login, possible: list[Generation]) -> None:
        groups = login.status["user"]["groups"]
        number = int(groups[0].removeprefix("generation-"))
        self.seen, self.last_accepted = max(self.seen, number), max(self.last_accepted, login.began)
        rightful = [one for one in possible if one.number == number and name not in one.removed]
        if login.username != name:
            self._fail("wrong yes", f"{name} as {login.username}")
        elif not rightful:
            self._fail("wrong yes", f"{name} by generation {number}, not {[one.number for one in possible]}")
        elif any(trouble.prevents(host, login) for trouble in self.troubles):
            self._fail("wrong yes", f"{name} while {host} confirmed nobody")
        else:
            self.counts["accepted" if len(login.codes) == 1 else "accepted within retries"] += 1

    def _possible(self, login: Login) -> list[Generation]:
        over = login.began + login.seconds
        following = [generation.written for generation in self.generations[1:]] + [float("inf")]
        return [
            generation
            for generation, replaced in zip(self.generations, following, strict=True)
            if generation.written <= over and login.began <= replaced + RELOAD_SECONDS
        ]

    def _fail(self, kind: str, example: str) -> None:
        self.failures[kind] += 1
        if len(self.examples) < _MOST_EXAMPLES:
            self.examples.append(f"{time.strftime('%H:%M:%S')} {kind}: {example}")
