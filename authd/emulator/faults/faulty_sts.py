"""The emulated STS with its faults: a request in, the steps of its response out. No I/O."""

from __future__ import annotations

import uuid
from collections import deque
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from authd.emulator.ec2.actions import DESCRIBE_INSTANCES, EC2, HOST
from authd.emulator.faults.counters import Counters, Tally
from authd.emulator.faults.plan import FaultPlan, Injection
from authd.emulator.faults.scripts import script
from authd.emulator.faults.steps import Exchange, Send, Step
from authd.emulator.sts.actions import ACTIONS, STS
from authd.emulator.sts.errors import STSError
from authd.emulator.sts.parameters import Parameters
from authd.emulator.sts.responses import Format, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from authd.emulator.directory.directory import Directory
    from authd.emulator.sts.hosts import HostRegions
    from authd.emulator.sts.request import WireRequest

REMEMBERED_REQUESTS: Final = 256


class FaultySTS:
    """The emulated STS with its fault plan, counters and last requests.

    `now` returns seconds since 1970. `clock_offset` is added to it.
    """

    def __init__(self, directory: Directory, *, now: Callable[[], float], hosts: HostRegions | None = None) -> None:
        self._now = now
        self.clock_offset = 0.0
        self.sts = STS(directory, now=self.now, hosts=hosts)
        self.ec2 = EC2(self.sts)
        self.plan = FaultPlan()
        self.tally = Tally()
        self.seen: deque[WireRequest] = deque(maxlen=REMEMBERED_REQUESTS)

    def now(self) -> float:
        """Return the emulator's time."""
        return self._now() + self.clock_offset

    def counters(self) -> Counters:
        """Return the counters."""
        return self.tally.snapshot()

    def accept(self) -> Injection | None:
        """Count a connection and return its fault, if any."""
        self.tally.connections += 1
        return self._counted(self.plan.for_connection())

    def respond(self, request: WireRequest, *, close: bool) -> Send | Iterable[Step]:
        """Return the response, or its steps. `close` means that the connection ends after it."""
        self.tally.requests += 1
        self.seen.append(request)
        parameters = Parameters(request)
        named = parameters.optional("Action")
        action = named if named in ACTIONS or named == DESCRIBE_INSTANCES else "other"
        self.tally.actions[action] += 1
        exchange = Exchange(
            outcome=self._outcome(request, parameters),
            form=Format.accepted_by(request.header(b"accept")),
            target=request.target,
            request_id=str(uuid.uuid4()),
            date=_http_date(int(self.now())),
            close=close,
        )
        injection = self._counted(self.plan.for_request(action))
        if injection is None:
            return Send(exchange.response.encode(close=close))
        return script(exchange, injection)

    def _outcome(self, request: WireRequest, parameters: Parameters) -> Outcome:
        try:
            is_ec2 = HOST.match(request.header(b"host") or b"")
            result = (self.ec2 if is_ec2 else self.sts).execute(request, parameters)
        except STSError as error:
            self.tally.outcomes[error.code] += 1
            return error
        self.tally.outcomes["Success"] += 1
        return result

    def _counted(self, injection: Injection | None) -> Injection | None:
        if injection is not None:
            self.tally.faults[injection.fault.label] += 1
        return injection


@lru_cache(maxsize=4)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
