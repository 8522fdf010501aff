"""The faults, and the order in which they strike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from authd.emulator.directory.errors import EmulatorError

LONGEST_SECONDS: Final = 3600.0


class Phase(Enum):
    """The phase of an exchange in which a fault strikes."""

    ACCEPT = "accept"  # the TCP connection is accepted, TLS has not begun
    HANDSHAKE = "handshake"  # the request was read over TLS, no byte of the response was sent
    HEADERS = "headers"  # the response's status line and headers were sent
    BODY = "body"  # half of the response's body was sent


class Fault(Enum):
    """The faults, each with its name and its description for `--help`."""

    THROTTLE = "throttle", "400 Throttling, as STS responds to too many requests"
    REQUEST_LIMIT = "request-limit", "400 RequestLimitExceeded"
    INTERNAL_FAILURE = "internal-failure", "500 InternalFailure"
    BAD_GATEWAY = "bad-gateway", "502 with an HTML page, as from a proxy"
    UNAVAILABLE = "unavailable", "503 ServiceUnavailable"
    EXPIRED = "expired", "403 ExpiredToken, for any request"
    STALL = "stall", "sends nothing after the phase and keeps the connection open"
    RESET = "reset", "resets the connection (RST) at the phase"
    CLOSE = "close", "closes the connection cleanly at the phase"
    DELAY = "delay", "the regular response, `seconds` late"
    DRIP = "drip", "the regular response, a byte every `seconds`"
    REDIRECT = "redirect", "302 to the same target at the host `location`"
    GZIP = "gzip", "the regular body, compressed, with Content-Encoding: gzip"
    GZIP_BOMB = "gzip-bomb", "a body of 64 KiB that inflates to 64 MiB, with Content-Encoding: gzip"
    GARBAGE = "garbage", "200 with bytes that aren't JSON"
    EMPTY = "empty", "200 with an empty body"
    TRUNCATED = "truncated", "a body shorter than its Content-Length, then the connection is closed"
    ENDLESS = "endless", "a body that never ends, as fast as the client reads"
    OVERSIZED = "oversized", "the regular body followed by 4 MiB of spaces, with the right Content-Length"
    LONG_HEADER = "long-header", "the regular response with a header line of 256 KiB"
    WRONG_ACCOUNT = "wrong-account", "an Account that isn't the one in the Arn"
    WRONG_PARTITION = "wrong-partition", "an Arn of another partition"
    WRONG_TYPES = "wrong-types", "numbers, lists and nulls where the result has strings (always JSON)"
    XML = "xml", "the regular result in XML, even if the client accepts JSON"
    OTHER_ACTION = "other-action", "AssumeRole's response with the caller, for any action"
    DUPLICATE_KEYS = "duplicate-keys", "JSON whose result names Account, Arn and UserId twice"
    DEEP_JSON = "deep-json", "JSON nested 5 000 deep, in 10 kB"
    UTF16 = "utf-16", "the regular body in UTF-16, with this charset in the Content-Type"
    HTTP10 = "http-1.0", "an HTTP/1.0 response without Content-Length that ends with the connection"
    INFORMATIONAL = "informational", "a hundred 1xx responses before the regular one"
    UNENDED_CHUNKS = "unended-chunks", "chunked encoding, closed without the last chunk"
    TWO_ANSWERS = "two-answers", "the regular response, followed by an unrequested one for another caller"

    def __init__(self, label: str, description: str) -> None:
        self.label = label
        self.description = description

    @classmethod
    def named(cls, label: str) -> Fault:
        """Return the fault with this label. Raises `EmulatorError` with the known labels."""
        for fault in cls:
            if fault.label == label:
                return fault
        known = ", ".join(fault.label for fault in cls)
        raise EmulatorError(f"unknown fault {label!r}; known are {known}")


PHASED: Final = frozenset({Fault.STALL, Fault.RESET, Fault.CLOSE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A fault to be delivered.

    `phase` is for STALL, RESET and CLOSE only. `times` is the number of requests that it strikes (connections at
    Phase.ACCEPT), unlimited if None. `action` limits it to requests of that action. `seconds` (0 to 3600) is for
    DELAY and DRIP, `location` is the host name for REDIRECT.
    """

    fault: Fault
    phase: Phase | None = None
    times: int | None = None
    action: str | None = None
    seconds: float = 0.1
    location: str = "redirected.invalid"

    def __post_init__(self) -> None:
        """Raise `EmulatorError` for a combination without effect."""
        if (self.phase is not None) != (self.fault in PHASED):
            needs = "needs a phase" if self.fault in PHASED else "has no phases"
            raise EmulatorError(f"fault {self.fault.label!r} {needs}")
        if self.phase is Phase.ACCEPT and self.action is not None:
            raise EmulatorError("no action is known yet when a connection is accepted")
        if self.times is not None and self.times < 1:
            raise EmulatorError("times must be at least 1")
        if not 0 <= self.seconds <= LONGEST_SECONDS:
            raise EmulatorError(f"seconds must be from 0 to {LONGEST_SECONDS:.0f}")


class FaultPlan:
    """The planned faults: limited injections first, in their order, then the latest unlimited one."""

    def __init__(self) -> None:
        self._limited: list[Injection] = []
        self._standing: list[Injection] = []

    def add(self, injection: Injection) -> None:
        """Plan a fault."""
        if injection.times is None:
            self._standing.insert(0, injection)
        else:
            self._limited.append(injection)

    def clear(self) -> None:
        """Remove all planned faults."""
        self._limited.clear()
        self._standing.clear()

    def for_connection(self) -> Injection | None:
        """Return the fault for a new connection, if any."""
        return self._take([one for one in self._planned() if one.phase is Phase.ACCEPT])

    def for_request(self, action: str | None) -> Injection | None:
        """Return the fault for a new request, if any."""
        if not (self._limited or self._standing):
            return None
        return self._take(
            [one for one in self._planned() if one.phase is not Phase.ACCEPT and one.action in {None, action}]
        )

    def _planned(self) -> list[Injection]:
        return self._limited + self._standing

    def _take(self, candidates: list[Injection]) -> Injection | None:
        if not candidates:
            return None
        taken = candidates[0]
        if taken.times is not None:
            at = next(index for index, one in enumerate(self._limited) if one is taken)
            left = [replace(taken, times=taken.times - 1)] if taken.times > 1 else []
            self._limited[at : at + 1] = left
        return taken
