"""A circuit breaker for each STS host: while one is failing, it is asked by single probes, not by everyone."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from authd.core.errors import Unavailable, UnavailableReason

#: Failures in a row that open the circuit; any answer that is a decision closes it.
FAILURES_TO_OPEN = 10
#: After a probe that failed, the next one waits: doubling between these bounds, in seconds, give or take a half.
_FIRST_WAIT = 0.25
_LONGEST_WAIT = 1.0
#: Hosts are as many as regions; a token may name regions yet to come, so their number is bounded too.
_MOST_HOSTS = 256

#: Throttling is STS at work: it has a status of its own, and is no reason to stop asking.
_FAILURES = frozenset(
    {
        UnavailableReason.STS_ERROR,
        UnavailableReason.STS_BAD_ANSWER,
        UnavailableReason.STS_UNREACHABLE,
        UnavailableReason.STS_TIMEOUT,
    }
)


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    wait: float = 0.0
    next_probe: float = 0.0
    probing: int = 0

    @property
    def is_open(self) -> bool:
        return self.failures >= FAILURES_TO_OPEN


class Passage(NamedTuple):
    """Leave to make one call to a host; `probe` where the host's circuit is open."""

    host: str
    probe: bool


class Circuits:
    """The circuits of all hosts; `seconds` is a monotonic clock, `jitter` returns a factor around 1."""

    def __init__(
        self,
        *,
        seconds: Callable[[], float],
        jitter: Callable[[], float] = lambda: random.uniform(0.5, 1.5),  # noqa: S311  # spreads probes, hides nothing
    ) -> None:
        self._seconds = seconds
        self._jitter = jitter
        self._circuits: OrderedDict[str, _Circuit] = OrderedDict()

    @property
    def open_count(self) -> int:
        """How many hosts' circuits are open."""
        return sum(circuit.is_open for circuit in self._circuits.values())

    def enter(self, host: str, *, probes: int) -> Passage:
        """Let a call to a host pass; `ended` must follow.

        While the circuit is open, at most `probes` may be under way: callers that STS knows get one more than
        the others, so that strangers can't keep them from finding out that STS is back. Raises
        `Unavailable(circuit_open)`.
        """
        circuit = self._circuits.get(host)
        if circuit is None or not circuit.is_open:
            return Passage(host, probe=False)
        if circuit.probing >= probes or self._seconds() < circuit.next_probe:
            raise Unavailable(
                UnavailableReason.CIRCUIT_OPEN, "STS has been failing; it is asked by single probes until it answers"
            )
        circuit.probing += 1
        return Passage(host, probe=True)

    def ended(self, passage: Passage, failure: Unavailable | None) -> None:
        """Note how a call came out; None for any answer that is a decision, which closes the circuit."""
        if failure is None:
            self._circuits.pop(passage.host, None)
            return
        circuit = self._circuits.get(passage.host)
        if circuit is not None and passage.probe:
            circuit.probing -= 1
        if failure.reason in _FAILURES:
            self._failed(circuit or self._new(passage.host), probe=passage.probe)

    def _failed(self, circuit: _Circuit, *, probe: bool) -> None:
        circuit.failures += 1
        if probe:
            circuit.wait = min(max(circuit.wait * 2, _FIRST_WAIT), _LONGEST_WAIT)
            circuit.next_probe = self._seconds() + circuit.wait * self._jitter()

    def _new(self, host: str) -> _Circuit:
        circuit = self._circuits[host] = _Circuit()
        if len(self._circuits) > _MOST_HOSTS:
            self._circuits.popitem(last=False)
        return circuit
