"""A circuit breaker for each STS host: while a host fails, only single probes call it.

Each host has one circuit for known callers and one for strangers. A known caller's failure counts in both, a stranger's
only in the strangers' circuit. So no stranger can open the circuit of known callers.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from twisted.logger import Logger

from authd.core.errors import Unavailable, UnavailableReason
from authd.core.token_bucket import TokenBucket

_log = Logger(namespace="authd.circuit")

#: Consecutive failures that open a circuit. Any decision by STS closes it.
FAILURES_TO_OPEN = 10
#: Bounds of the wait after a failed probe, in seconds. It doubles with each failure, and varies by up to a half.
_FIRST_WAIT = 0.25
_LONGEST_WAIT = 1.0
#: An open circuit is reported for this time after its last failure, in seconds. Nobody may ever call the host again.
_REPORTED_SECONDS = 300.0
#: Maximum number of circuits, two for each host. Needed because a token may name a region that doesn't exist.
_MAX_CIRCUITS = 512

#: Log lines about opened circuits: burst and rate per second. Anybody can open those of regions that don't exist.
_LINES, _LINES_PER_SECOND = 20.0, 0.1

#: Failures that count. Throttling does not: STS works, and throttled reviews have a reason of their own.
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
    last_failure: float = 0.0
    probing: bool = False
    reason: str = ""

    @property
    def is_open(self) -> bool:
        return self.failures >= FAILURES_TO_OPEN


class Passage(NamedTuple):
    """Permission for one call to a host. `known` if STS has confirmed the caller. `probe` is the probed circuit."""

    host: str
    known: bool
    probe: _Circuit | None


class CircuitBreakers:
    """The circuits of all hosts. `seconds` is a monotonic clock, and `jitter` returns a factor around 1."""

    def __init__(
        self,
        *,
        seconds: Callable[[], float],
        jitter: Callable[[], float] = lambda: random.uniform(0.5, 1.5),  # spreads probes, needs no secrecy
    ) -> None:
        self._seconds = seconds
        self._jitter = jitter
        self._lines = TokenBucket(burst=_LINES, rate=_LINES_PER_SECOND, now=seconds())
        self._circuits: OrderedDict[tuple[str, bool], _Circuit] = OrderedDict()  # by host and whether callers are known

    @property
    def open_count(self) -> int:
        """The number of hosts with an open circuit that failed lately."""
        return len(self.failing())

    def failing(self) -> dict[str, str]:
        """Return the hosts with an open circuit that failed lately, each with the reason of its last failure."""
        since = self._seconds() - _REPORTED_SECONDS
        return {
            host: circuit.reason
            for (host, _), circuit in self._circuits.items()
            if circuit.is_open and circuit.last_failure > since
        }

    @property
    def has_failures(self) -> bool:
        """Whether the last call to any host failed."""
        return bool(self._circuits)

    def check(self, host: str, *, known: bool) -> None:
        """Raise `Unavailable(circuit_open)` if no call to a host may start now. Call it before waiting for a permit."""
        circuit = self._circuits.get((host, known))
        if circuit is not None and circuit.is_open and (circuit.probing or self._seconds() < circuit.next_probe):
            raise Unavailable(
                UnavailableReason.CIRCUIT_OPEN, "STS has been failing, and only single probes call it until it recovers"
            )

    def enter(self, host: str, *, known: bool) -> Passage:
        """Permit a call to a host. The caller must report its end to `ended`.

        Raises `Unavailable(circuit_open)` if the circuit is open, except for one probe at a time.
        """
        self.check(host, known=known)
        circuit = self._circuits.get((host, known))
        if circuit is None or not circuit.is_open:
            return Passage(host, known, probe=None)
        circuit.probing = True
        return Passage(host, known, probe=circuit)

    def ended(self, passage: Passage, failure: Unavailable | None) -> None:
        """Record the end of a call. `failure` is None for any decision by STS, which closes both circuits."""
        if passage.probe is not None:
            passage.probe.probing = False
        if failure is None:
            self._close(passage.host)
        elif failure.reason in _FAILURES:
            self._failed((passage.host, passage.known), passage.probe, failure)
            if passage.known:
                self._failed((passage.host, False), None, failure)

    def _close(self, host: str) -> None:
        if not self._circuits:
            return
        closed = [self._circuits.pop((host, known), None) for known in (True, False)]
        if any(circuit is not None and circuit.is_open for circuit in closed):
            _log.info("STS host {sts_host} answers again", sts_host=host)

    def _failed(self, key: tuple[str, bool], probe: _Circuit | None, failure: Unavailable) -> None:
        was_open = self._is_failing(key[0])
        circuit = self._circuits.get(key) or self._new(key)
        circuit.failures += 1
        circuit.reason, circuit.last_failure = str(failure.reason), self._seconds()
        self._circuits.move_to_end(key)  # calls to other hosts evict no circuit in use
        if circuit.is_open and not was_open and self._lines.refilled(self._seconds()) >= 1:
            self._lines.left -= 1
            _log.warn(
                "STS host {sts_host} has failed {failures} times in a row: {message}; single probes ask it until it "
                "answers",
                sts_host=key[0],
                failures=circuit.failures,
                message=failure.message,
                reason=circuit.reason,
            )
        if circuit is probe:  # otherwise another call has closed the probed circuit, and this is a new one
            circuit.wait = min(max(circuit.wait * 2, _FIRST_WAIT), _LONGEST_WAIT)
            circuit.next_probe = self._seconds() + circuit.wait * self._jitter()

    def _is_failing(self, host: str) -> bool:
        circuits = (self._circuits.get((host, known)) for known in (True, False))
        return any(circuit is not None and circuit.is_open for circuit in circuits)

    def _new(self, key: tuple[str, bool]) -> _Circuit:
        circuit = self._circuits[key] = _Circuit()
        if len(self._circuits) > _MAX_CIRCUITS:
            self._circuits.popitem(last=False)
        return circuit
