"""Batches, limits, sharing and caching of name look-ups."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from authd.aws import instance_names as module
from authd.aws.instance_names import BATCH_SECONDS, MAX_BATCH, InstanceNames
from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason


def instance(number):
    return f"i-{number:017x}"


class EC2:
    """A fake EC2 whose responses the test sends."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.calls: list[list[str]] = []
        self.answers: list[Deferred] = []
        self.names = InstanceNames(self.clock, self._describe, qps=10, burst=2)

    async def _describe(self, instance_ids):
        self.calls.append(list(instance_ids))
        self.answers.append(Deferred())
        return await self.answers[-1]

    def ask(self, number):
        looking = Deferred.fromCoroutine(self.names.name(instance(number)))
        looking.results = []
        looking.addBoth(looking.results.append)
        return looking

    def result(self, looking):
        (result,) = looking.results
        return result.value if hasattr(result, "value") else result


@pytest.fixture
def ec2():
    return EC2()


def test_batch(ec2):
    """Look-ups within 200 ms are one call, in which each instance occurs once."""
    one, two, again = ec2.ask(1), ec2.ask(2), ec2.ask(1)
    ec2.clock.advance(BATCH_SECONDS)
    assert ec2.calls == [[instance(1), instance(2)]]
    late = ec2.ask(1)
    ec2.answers[0].callback({instance(1): "one", instance(2): "two"})
    assert [ec2.result(each) for each in (one, two, again, late)] == ["one", "two", "one", "one"]
    ec2.clock.advance(1)
    assert len(ec2.calls) == 1


def test_full_batch(ec2):
    """A full batch is sent at once, and the rest in another call."""
    for number in range(MAX_BATCH + 1):
        ec2.ask(number)
    ec2.clock.advance(0)
    assert [len(call) for call in ec2.calls] == [MAX_BATCH]
    ec2.clock.advance(BATCH_SECONDS)
    assert [len(call) for call in ec2.calls] == [MAX_BATCH, 1]


def test_limits(ec2):
    """After the burst, calls follow at the given rate."""
    for number in range(5 * MAX_BATCH):
        ec2.ask(number)
    ec2.clock.advance(0)
    ec2.clock.advance(0)
    assert len(ec2.calls) == 2
    ec2.clock.pump([0.05] * 7)
    assert len(ec2.calls) == 5
    assert sorted(each for call in ec2.calls for each in call) == [instance(number) for number in range(5 * MAX_BATCH)]


def test_memory(ec2):
    """A name is cached for an hour. Unknown and empty ones are not."""
    known, unknown, empty = ec2.ask(1), ec2.ask(2), ec2.ask(3)
    ec2.clock.advance(BATCH_SECONDS)
    ec2.answers[0].callback({instance(1): "one", instance(3): ""})
    assert ec2.result(known) == "one"
    assert [ec2.result(each).reason for each in (unknown, empty)] == [DenialReason.INSTANCE_NAME_UNKNOWN] * 2
    assert ec2.result(ec2.ask(1)) == "one"
    ec2.ask(2)
    ec2.clock.advance(BATCH_SECONDS)
    assert ec2.calls[1:] == [[instance(2)]]
    ec2.clock.advance(3600)
    ec2.ask(1)
    ec2.clock.advance(BATCH_SECONDS)
    assert ec2.calls[2:] == [[instance(1)]]


def test_bounded_memory(ec2, monkeypatch):
    """The oldest name is evicted if there are too many."""
    monkeypatch.setattr(module, "_MAX_CACHED", 2)
    for number in range(3):
        ec2.ask(number)
    ec2.clock.advance(BATCH_SECONDS)
    ec2.answers[0].callback({instance(number): "n" for number in range(3)})
    assert list(ec2.names._known) == [instance(1), instance(2)]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Denied(DenialReason.INSTANCE_LOOKUP_REFUSED, "no"), Denied),
        (Unavailable(UnavailableReason.INSTANCE_LOOKUP_THROTTLED, "slow"), Unavailable),
        (ZeroDivisionError(), Unavailable),
    ],
)
def test_failures(ec2, error, kind):
    """A failed call fails every look-up of its batch, each with its own exception."""
    one, two = ec2.ask(1), ec2.ask(2)
    ec2.clock.advance(BATCH_SECONDS)
    ec2.answers[0].errback(error)
    first, second = ec2.result(one), ec2.result(two)
    assert type(first) is type(second) is kind
    assert first is not second
    ec2.ask(1)
    ec2.clock.advance(BATCH_SECONDS)
    assert len(ec2.calls) == 2


def test_deadline(ec2):
    """A look-up times out after ten seconds, and a late response is cached for the next one."""
    looking = ec2.ask(1)
    ec2.clock.advance(10)
    assert ec2.result(looking).reason is UnavailableReason.INSTANCE_LOOKUP_TIMEOUT
    ec2.answers[0].callback({instance(1): "one"})
    assert ec2.result(ec2.ask(1)) == "one"


def test_overload(ec2, monkeypatch):
    """The number of look-ups in progress is bounded."""
    monkeypatch.setattr(module, "_MAX_WAITING", 1)
    ec2.ask(1)
    assert ec2.result(ec2.ask(2)).reason is UnavailableReason.OVERLOADED


@pytest.mark.parametrize("name", ["", "alice", "i-1", "i-0123456789ABCDEF0", "i-12345678\n", "i-12345678,i-87654321"])
def test_other_sessions(ec2, name):
    """Sessions that are not named after an instance cause no call."""
    looking = Deferred.fromCoroutine(ec2.names.name(name))
    failures: list = []
    looking.addErrback(failures.append)
    assert failures[0].value.reason is DenialReason.INSTANCE_NAME_UNKNOWN
    ec2.clock.advance(1)
    assert ec2.calls == []


def test_stop(ec2):
    """After `stop`, no call starts."""
    ec2.ask(1)
    ec2.names.stop()
    ec2.clock.advance(1)
    assert ec2.calls == []
