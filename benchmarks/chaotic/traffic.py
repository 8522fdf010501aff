"""The logins of a chaos run: known users, strangers and floods."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.chaotic.truth import Truth
from benchmarks.clients.apiserver import APIServer
from benchmarks.clients.company import User
from benchmarks.clients.real_apiserver import RealAPIServer
from benchmarks.clients.tokens import FAST_HOST, SLOW_HOST, foreign

HOSTS = (FAST_HOST, SLOW_HOST, "sts.eu-west-1.amazonaws.com")
_HOST_WEIGHTS = (70, 20, 10)
#: The share of logins with an earlier accepted token, and the seconds for which a token is reused.
_REPEATED, _REPEATED_SECONDS = 0.4, 120.0
_FLOOD_WORKERS = 60
#: The counter of known users' logins through a real kube-apiserver. Other counters include them.
THROUGH_REAL = "of them through kube-apiserver"


@dataclass(slots=True, kw_only=True)
class Traffic:
    """Known users and strangers who log in until cancelled. `pause` is the mean pause of each, in seconds.

    `real` is a real kube-apiserver, if there is one.
    """

    api: APIServer
    real: RealAPIServer | None = None
    truth: Truth
    known: list[User]
    unmapped: list[User]
    pause: float = 2.0
    _accepted: dict[str, tuple[float, str, str]] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    async def known_user(self, user: User) -> None:
        """Log in repeatedly, with new tokens and with earlier accepted ones."""
        while True:
            await asyncio.sleep(random.expovariate(1 / self.pause))
            at, host, token = self._accepted.get(user.name, (0.0, "", ""))
            if random.random() > _REPEATED or time.monotonic() - at > _REPEATED_SECONDS:
                at, host = time.monotonic(), random.choices(HOSTS, _HOST_WEIGHTS)[0]
                token = user.token(host)
            login = await self.api.login(token)
            self.truth.check_known(user.name, host, login)
            if login.username is not None:
                self._accepted[user.name] = (at, host, token)

    async def known_user_of(self, real: RealAPIServer, user: User) -> None:
        """Log in repeatedly through a real kube-apiserver, always with a new token."""
        while True:
            await asyncio.sleep(random.expovariate(1 / self.pause))
            host = random.choices(HOSTS, _HOST_WEIGHTS)[0]
            token = self._new_token(user, host)
            self.truth.check_known(user.name, host, await real.login(token))
            self.truth.counts[THROUGH_REAL] += 1

    def _new_token(self, user: User, host: str) -> str:
        """Mint a token that was not used before. Tokens of the same user, host and second are equal."""
        while (token := user.token(host)) in self._used:
            pass
        self._used.add(token)
        return token

    async def stranger(self) -> None:
        """Log in repeatedly with tokens that must not be accepted."""
        kinds: dict[str, Callable[[], str]] = {
            "forged under a user's key ID": self._forged,
            "confirmed but unmapped": lambda: random.choice(self.unmapped).token(random.choice(HOSTS)),
            "unknown key": lambda: User.new("nobody").token(random.choice(HOSTS)),
            "for another cluster": lambda: random.choice(self.known).token(cluster="another"),
            "expired": lambda: random.choice(self.known).token(seconds_ago=1_200),
            "for a host that is not STS": lambda: random.choice(self.known).token("sts.us-east-1.example.org"),
            "foreign": lambda: next(foreign(1)),
        }
        while True:
            await asyncio.sleep(random.expovariate(1 / self.pause))
            kind = random.choice(list(kinds))
            through = random.choice((self.api, self.real or self.api))
            self.truth.check_stranger(kind, await through.login(kinds[kind]()))

    def _forged(self) -> str:
        return next(random.choice(self.known).forgeries(1, random.choice(HOSTS)))

    async def flood(self, kind: str, seconds: float, api: APIServer) -> None:
        """Post as fast as responses come: forgeries under one user's key ID, unmapped tokens, or invented keys."""
        victim, host, end = random.choice(self.known), random.choice(HOSTS), time.monotonic() + seconds
        mint: dict[str, Callable[[], str]] = {
            "same key": lambda: next(victim.forgeries(1, host)),
            "unmapped": lambda: random.choice(self.unmapped).token(host),
            "invented keys": lambda: next(User.new("nobody").forgeries(1, host)),
        }

        async def post_on() -> None:
            while time.monotonic() < end:
                self.truth.check_stranger(f"flood: {kind}", await api.login(mint[kind]()))

        await asyncio.gather(*(post_on() for _ in range(_FLOOD_WORKERS)))
