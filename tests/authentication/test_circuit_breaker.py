"""The circuit breaker of each STS host."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from authd.authentication.circuit_breaker import FAILURES_TO_OPEN, CircuitBreakers, Passage
from authd.core.errors import Unavailable, UnavailableReason

HOST = "sts.us-east-1.amazonaws.com"
FAILURE = Unavailable(UnavailableReason.STS_TIMEOUT, "late")


def opened(clock: Clock) -> CircuitBreakers:
    breakers = CircuitBreakers(seconds=clock.seconds, jitter=lambda: 1.0)
    for _ in range(FAILURES_TO_OPEN):
        breakers.ended(breakers.enter(HOST, known=False), FAILURE)
    return breakers


def check_closed_to(breakers: CircuitBreakers, *, known: bool = False) -> None:
    with pytest.raises(Unavailable) as caught:
        breakers.enter(HOST, known=known)
    assert caught.value.reason is UnavailableReason.CIRCUIT_OPEN


def test_a_circuit_opens_after_failures_in_a_row() -> None:
    """One failure fewer leaves it closed, and a response restarts the count."""
    clock = Clock()
    breakers = CircuitBreakers(seconds=clock.seconds)
    for _ in range(3):
        for _ in range(FAILURES_TO_OPEN - 1):
            breakers.ended(breakers.enter(HOST, known=False), FAILURE)
        assert breakers.open_count == 0
        breakers.ended(breakers.enter(HOST, known=False), None)
    assert opened(clock).open_count == 1


def test_an_open_circuit_permits_one_probe() -> None:
    """The first call after the wait is the probe. Others are refused until it has ended."""
    breakers = opened(Clock())
    probe = breakers.enter(HOST, known=False)
    assert probe.probe
    check_closed_to(breakers)
    breakers.ended(probe, None)
    assert not breakers.enter(HOST, known=False).probe
    assert breakers.open_count == 0


def test_strangers_cannot_open_the_circuit_of_known_callers() -> None:
    """Failures of strangers count against strangers only. Failures of known callers count in both circuits."""
    breakers = opened(Clock())
    assert not breakers.enter(HOST, known=True).probe
    assert breakers.enter(HOST, known=False).probe
    check_closed_to(breakers)
    for _ in range(FAILURES_TO_OPEN):
        breakers.ended(breakers.enter("other", known=True), FAILURE)
    assert breakers.open_count == 2
    assert breakers.enter("other", known=True).probe
    assert breakers.enter("other", known=False).probe


def test_a_decision_closes_both_circuits() -> None:
    """A decision for a known caller or a stranger closes the circuits of both."""
    breakers = opened(Clock())
    breakers.ended(breakers.enter(HOST, known=True), None)
    assert not breakers.enter(HOST, known=False).probe
    assert breakers.open_count == 0


def test_the_wait_between_probes_grows() -> None:
    """The wait doubles from a quarter of a second up to one second."""
    clock = Clock()
    breakers = opened(clock)
    for wait in (0.25, 0.5, 1.0, 1.0):
        breakers.ended(breakers.enter(HOST, known=False), FAILURE)
        clock.advance(wait - 0.01)
        check_closed_to(breakers)
        clock.advance(0.01)


@pytest.mark.parametrize("reason", [UnavailableReason.STS_THROTTLED, UnavailableReason.OVERLOADED])
def test_throttling_and_our_own_limits_open_no_circuit(reason: UnavailableReason) -> None:
    """Throttling and authd's own limits are no failures of STS."""
    breakers = CircuitBreakers(seconds=Clock().seconds)
    for _ in range(FAILURES_TO_OPEN * 2):
        breakers.ended(breakers.enter(HOST, known=False), Unavailable(reason, ""))
    assert breakers.open_count == 0


def test_a_throttled_probe_ends() -> None:
    """After a throttled probe, the next probe may start."""
    breakers = opened(Clock())
    breakers.ended(breakers.enter(HOST, known=False), Unavailable(UnavailableReason.STS_THROTTLED, ""))
    assert breakers.enter(HOST, known=False).probe


def test_hosts_do_not_share_a_circuit_and_are_bounded() -> None:
    """One region's failures affect no other region. The circuits that failed longest ago are evicted."""
    breakers = opened(Clock())
    assert not breakers.enter("sts.eu-west-1.amazonaws.com", known=False).probe
    for number in range(600):
        breakers.ended(breakers.enter(f"sts.us-invented-{number}.amazonaws.com", known=False), FAILURE)
        if number == 300:
            breakers.ended(breakers.enter(HOST, known=False), FAILURE)
    assert len(breakers._circuits) == 512
    assert breakers.failing() == {HOST: "sts_timeout"}


def test_a_host_that_nobody_calls_is_not_reported() -> None:
    """A token may have named a region that doesn't exist. A host that is called is reported until it answers."""
    clock = Clock()
    breakers = opened(clock)
    clock.advance(299)
    assert breakers.failing() == {HOST: "sts_timeout"}
    breakers.ended(breakers.enter(HOST, known=False), FAILURE)
    clock.advance(299)
    assert breakers.open_count == 1
    clock.advance(1)
    assert (breakers.failing(), breakers.open_count) == ({}, 0)
    assert breakers.enter(HOST, known=False).probe


def test_the_default_jitter_spreads_probes() -> None:
    """Daemons of many nodes don't probe at the same time."""
    breakers = CircuitBreakers(seconds=Clock().seconds)
    factors = {breakers._jitter() for _ in range(100)}
    assert all(0.5 <= factor <= 1.5 for factor in factors)
    assert len(factors) > 50


def test_a_late_probe_does_not_affect_the_next_circuit() -> None:
    """If a circuit is closed and opened again during a probe, that probe's failure does not stop further probes."""
    clock = Clock()
    breakers = CircuitBreakers(seconds=clock.seconds, jitter=lambda: 1.0)
    earlier = breakers.enter(HOST, known=False)
    for _ in range(FAILURES_TO_OPEN):
        breakers.ended(breakers.enter(HOST, known=False), FAILURE)
    probe = breakers.enter(HOST, known=False)
    breakers.ended(earlier, None)
    for _ in range(FAILURES_TO_OPEN):
        breakers.ended(breakers.enter(HOST, known=False), FAILURE)
    breakers.ended(probe, FAILURE)
    clock.advance(10)
    again = breakers.enter(HOST, known=False)
    assert again.probe
    check_closed_to(breakers)
    breakers.ended(again, None)
    assert not breakers.enter(HOST, known=False).probe


def test_opening_and_closing_is_logged() -> None:
    """An opening circuit is one warning and a closing one is one line, however many calls fail."""
    breakers = CircuitBreakers(seconds=lambda: 0.0, jitter=lambda: 1.0)
    failure = Unavailable(UnavailableReason.STS_TIMEOUT, "STS did not answer in time")
    with capturedLogs() as events:
        for _ in range(FAILURES_TO_OPEN + 5):
            breakers.ended(Passage("sts.example", known=True, probe=None), failure)
        assert breakers.failing() == {"sts.example": "sts_timeout"}
        breakers.ended(Passage("sts.example", known=False, probe=None), None)
    assert [event["log_level"].name for event in events] == ["warn", "info"]
    assert all(event["sts_host"] == "sts.example" for event in events)
    assert breakers.failing() == {}


def test_lines_about_invented_hosts_are_bounded() -> None:
    """A flood of tokens for invented regions does not fill the log. Later another circuit is logged again."""
    clock = Clock()
    breakers = CircuitBreakers(seconds=clock.seconds)
    with capturedLogs() as events:
        for number in range(50):
            for _ in range(FAILURES_TO_OPEN):
                breakers.ended(breakers.enter(f"sts.us-invented-{number}.amazonaws.com", known=False), FAILURE)
        assert (len(events), breakers.open_count) == (20, 50)
        clock.advance(10)
        for _ in range(FAILURES_TO_OPEN):
            breakers.ended(breakers.enter(HOST, known=False), FAILURE)
    assert [event["sts_host"] for event in events[20:]] == [HOST]
