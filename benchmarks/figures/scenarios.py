"""The loads: their tokens, connections and targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.clients.tokens import SLOW_HOST, distinct, foreign, repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound for one value of a figure. `text` has a placeholder for the value."""

    value: str
    text: str
    at_least: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        bound = self.at_least if self.at_least is not None else self.at_most
        return f"{'≥' if self.at_least is not None else '≤'} {self.text.format(grouped(bound or 0))}"

    def say(self, value: float) -> str:
        """Return the text with the value, marked if it exceeds the bound."""
        return self.text.format(grouped(value)) + ("" if self.is_met_by(value) else " ✗")

    def is_met_by(self, value: float) -> bool:
        """Return whether a value is within the bound."""
        return value >= self.at_least if self.at_least is not None else value <= (self.at_most or 0)


def grouped(value: float) -> str:
    """Format a number with three significant digits, or as an integer with spaces between thousands."""
    return f"{value:,.0f}".replace(",", " ") if value >= 1000 else f"{value:.3g}"


_RATE, _P50, _P99, _CPU = "{} reviews/s", "{} ms p50", "{} ms p99", "{} µs CPU a review"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A load. `tokens` makes a number of tokens. `per_second` of them are enough at any speed.

    `caching` selects the daemon with a verdict cache. `lets_in` is whether every token must be accepted.
    """

    name: str
    title: str
    goals: tuple[Goal, ...]
    tokens: Callable[[int], Iterator[str]]
    per_second: int
    connections: int = 64
    new_connections: bool = False
    caching: bool = False
    lets_in: bool = True


def _tenfold(count: int) -> Iterator[str]:
    return repeated(distinct(count // 10), 10, 100)


def _fifty_at_once(count: int) -> Iterator[str]:
    return repeated(distinct(count // 50, host=SLOW_HOST), 50, 1)


SCENARIOS = (
    Scenario(
        name="distinct-64",
        title="distinct tokens, 64 connections, STS at 0 ms",
        goals=(
            Goal(value="rate", text=_RATE, at_least=3200),
            Goal(value="p99", text=_P99, at_most=35),
            Goal(value="cpu", text=_CPU, at_most=310),
        ),
        tokens=distinct,
        per_second=20_000,
    ),
    Scenario(
        name="distinct-16",
        title="distinct tokens, 16 connections, STS at 0 ms",
        goals=(Goal(value="rate", text=_RATE, at_least=3200), Goal(value="p99", text=_P99, at_most=10)),
        tokens=distinct,
        per_second=20_000,
        connections=16,
    ),
    Scenario(
        name="distinct-20ms",
        title="distinct tokens, 64 connections, STS at 20 ms",
        goals=(
            Goal(value="rate", text=_RATE, at_least=2300),
            Goal(value="p50", text=_P50, at_most=28),
            Goal(value="p99", text=_P99, at_most=45),
        ),
        tokens=partial(distinct, host=SLOW_HOST),
        per_second=5000,
    ),
    Scenario(
        name="one-connection",
        title="one connection, STS at 0 ms",
        goals=(Goal(value="p50", text=_P50, at_most=0.6),),
        tokens=distinct,
        per_second=5000,
        connections=1,
    ),
    Scenario(
        name="cached",
        title="each token 10 times, `cacheTTL` on, 64 connections",
        goals=(
            Goal(value="rate", text=_RATE, at_least=7000),
            Goal(value="calls", text="{} STS calls a review", at_most=0.1),
        ),
        tokens=_tenfold,
        per_second=60_000,
        caching=True,
    ),
    Scenario(
        name="at-once",
        title="each token by 50 requests at once, cache off, STS at 20 ms",
        goals=(Goal(value="calls", text="{} STS calls a review", at_most=0.03),),
        tokens=_fifty_at_once,
        per_second=5000,
        connections=50,
    ),
    Scenario(
        name="foreign",
        title="foreign tokens, 64 connections",
        goals=(Goal(value="rate", text=_RATE, at_least=7500),),
        tokens=foreign,
        per_second=80_000,
        lets_in=False,
    ),
    Scenario(
        name="handshakes",
        title="a new TLS connection for each review, ECDSA P-256",
        goals=(Goal(value="rate", text=_RATE, at_least=800),),
        tokens=distinct,
        per_second=5000,
        new_connections=True,
    ),
)
