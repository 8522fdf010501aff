"""The circuit breaker of each STS host."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from authd.circuit import FAILURES_TO_OPEN, Circuits
from authd.core.errors import Unavailable, UnavailableReason

HOST = "sts.us-east-1.amazonaws.com"
FAILURE = Unavailable(UnavailableReason.STS_TIMEOUT, "late")


def opened(clock: Clock) -> Circuits:
    circuits = Circuits(seconds=clock.seconds, jitter=lambda: 1.0)
    for _ in range(FAILURES_TO_OPEN):
        circuits.ended(circuits.enter(HOST, known=False), FAILURE)
    return circuits


def check_closed_to(circuits: Circuits, *, known: bool = False) -> None:
    with pytest.raises(Unavailable) as caught:
        circuits.enter(HOST, known=known)
    assert caught.value.reason is UnavailableReason.CIRCUIT_OPEN


def test_a_circuit_opens_after_failures_in_a_row() -> None:
    """One failure fewer leaves it closed, and an answer starts the count anew."""
    clock = Clock()
    circuits = Circuits(seconds=clock.seconds)
    for _ in range(3):
        for _ in range(FAILURES_TO_OPEN - 1):
            circuits.ended(circuits.enter(HOST, known=False), FAILURE)
        assert circuits.open_count == 0
        circuits.ended(circuits.enter(HOST, known=False), None)
    assert opened(clock).open_count == 1


def test_an_open_circuit_lets_one_probe_pass_and_its_success_closes_it() -> None:
    """The first call after the failures is the probe; others are refused until it is back."""
    circuits = opened(Clock())
    probe = circuits.enter(HOST, known=False)
    assert probe.probe
    check_closed_to(circuits)
    circuits.ended(probe, None)
    assert not circuits.enter(HOST, known=False).probe
    assert circuits.open_count == 0


def test_strangers_cannot_open_the_circuit_of_known_callers() -> None:
    """Failures of strangers count against strangers only; failures of known callers count in both circuits."""
    circuits = opened(Clock())
    assert not circuits.enter(HOST, known=True).probe
    assert circuits.enter(HOST, known=False).probe
    check_closed_to(circuits)
    for _ in range(FAILURES_TO_OPEN):
        circuits.ended(circuits.enter("other", known=True), FAILURE)
    assert circuits.open_count == 2
    assert circuits.enter("other", known=True).probe
    assert circuits.enter("other", known=False).probe


def test_a_decision_closes_the_circuits_of_all() -> None:
    """STS is back for everybody, whoever found out."""
    circuits = opened(Clock())
    circuits.ended(circuits.enter(HOST, known=True), None)
    assert not circuits.enter(HOST, known=False).probe
    assert circuits.open_count == 0


def test_after_a_failed_probe_the_next_one_waits_longer_each_time_but_never_long() -> None:
    """The wait doubles from a quarter of a second to one second."""
    clock = Clock()
    circuits = opened(clock)
    for wait in (0.25, 0.5, 1.0, 1.0):
        circuits.ended(circuits.enter(HOST, known=False), FAILURE)
        clock.advance(wait - 0.01)
        check_closed_to(circuits)
        clock.advance(0.01)


@pytest.mark.parametrize("reason", [UnavailableReason.STS_THROTTLED, UnavailableReason.OVERLOADED])
def test_throttling_and_our_own_limits_open_no_circuit(reason: UnavailableReason) -> None:
    """STS that throttles is at work."""
    circuits = Circuits(seconds=Clock().seconds)
    for _ in range(FAILURES_TO_OPEN * 2):
        circuits.ended(circuits.enter(HOST, known=False), Unavailable(reason, ""))
    assert circuits.open_count == 0


def test_a_throttled_probe_gives_its_place_back() -> None:
    """A probe that was throttled is over, and the next one may go."""
    circuits = opened(Clock())
    circuits.ended(circuits.enter(HOST, known=False), Unavailable(UnavailableReason.STS_THROTTLED, ""))
    assert circuits.enter(HOST, known=False).probe


def test_hosts_do_not_share_a_circuit_and_are_bounded() -> None:
    """One region's failure is its own; invented regions are forgotten."""
    circuits = opened(Clock())
    assert not circuits.enter("sts.eu-west-1.amazonaws.com", known=False).probe
    for number in range(600):
        circuits.ended(circuits.enter(f"sts.us-invented-{number}.amazonaws.com", known=False), FAILURE)
    assert len(circuits._circuits) == 512


def test_the_usual_jitter_spreads_probes() -> None:
    """Daemons of many nodes don't probe in step."""
    circuits = Circuits(seconds=Clock().seconds)
    factors = {circuits._jitter() for _ in range(100)}
    assert all(0.5 <= factor <= 1.5 for factor in factors)
    assert len(factors) > 50
