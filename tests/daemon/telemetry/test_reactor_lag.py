"""The reactor's lag."""

from __future__ import annotations

from twisted.internet.task import Clock

from authd.daemon.telemetry.reactor_lag import ReactorLag


def test_the_largest_lag_of_half_a_minute() -> None:
    """A late timer is reported for thirty measurements."""
    clock = Clock()
    lag = ReactorLag(clock.seconds)
    clock.advance(1.25)
    lag.measure()
    for _ in range(29):
        clock.advance(1.0)
        lag.measure()
    assert lag.largest == 0.25
    clock.advance(1.0)
    lag.measure()
    assert lag.largest == 0.0
