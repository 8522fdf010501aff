"""The steps of the faults that are more than a different response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authd.emulator.faults.plan import Fault, Injection, Phase
from authd.emulator.faults.responses import FAULTY_RESPONSES, INTRUDER
from authd.emulator.faults.steps import Close, Exchange, Pause, Reset, Send, Stall, Step
from authd.emulator.sts.actions import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from authd.emulator.sts.responses import Response

_CHUNK: Final = b" " * 16_384
_INFORMATIONAL_RESPONSES: Final = 100
_MISSING_BYTES: Final = 100
_FLUSH_SECONDS: Final = 0.05


def script(exchange: Exchange, injection: Injection) -> Iterator[Step]:
    """Return the steps for a request that the fault strikes."""
    on_the_wire = SCRIPTS.get(injection.fault)
    if on_the_wire is not None:
        return on_the_wire(exchange, injection)
    response = FAULTY_RESPONSES[injection.fault](exchange, injection)
    return iter([Send(response.encode(close=exchange.close))])


def _ending(end: Step) -> Callable[[Exchange, Injection], Iterator[Step]]:
    """Send the regular response up to the phase, then end."""

    def play(exchange: Exchange, injection: Injection) -> Iterator[Step]:
        response = exchange.response
        if injection.phase in {Phase.HEADERS, Phase.BODY}:
            yield Send(response.head(length=len(response.body), close=exchange.close))
        if injection.phase is Phase.BODY:
            yield Send(response.body[: len(response.body) // 2])
        # The sent bytes must leave before a reset discards the rest of the buffer.
        yield Pause(_FLUSH_SECONDS)
        yield end

    return play


def _delay(exchange: Exchange, injection: Injection) -> Iterator[Step]:
    yield Pause(injection.seconds)
    yield Send(exchange.response.encode(close=exchange.close))


def _drip(exchange: Exchange, injection: Injection) -> Iterator[Step]:
    for byte in exchange.response.encode(close=exchange.close):
        yield Send(bytes([byte]))
        yield Pause(injection.seconds)


def _truncated(exchange: Exchange, _: Injection) -> Iterator[Step]:
    response = exchange.response
    yield Send(response.head(length=len(response.body) + _MISSING_BYTES, close=exchange.close) + response.body)
    yield Close()


def _chunked_head(response: Response) -> bytes:
    return response.with_body(b"", ("Transfer-Encoding", "chunked")).head(length=None, close=False)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _endless(exchange: Exchange, _: Injection) -> Iterator[Step]:
    yield Send(_chunked_head(exchange.response))
    chunk = Send(_chunk(_CHUNK))
    while True:
        yield chunk
        yield Pause(0)


def _unended_chunks(exchange: Exchange, _: Injection) -> Iterator[Step]:
    yield Send(_chunked_head(exchange.response) + _chunk(exchange.response.body))
    yield Close()


def _http10(exchange: Exchange, _: Injection) -> Iterator[Step]:
    yield Send(exchange.response.head(length=None, close=False, version="HTTP/1.0") + exchange.response.body)
    yield Close()


def _informational(exchange: Exchange, _: Injection) -> Iterator[Step]:
    yield Send(b"HTTP/1.1 103 Early Hints\r\nLink: </>; rel=preload\r\n\r\n" * _INFORMATIONAL_RESPONSES)
    yield Send(exchange.response.encode(close=exchange.close))


def _two_responses(exchange: Exchange, _: Injection) -> Iterator[Step]:
    second = exchange.render(Result(action="GetCallerIdentity", fields=INTRUDER))
    yield Send(exchange.response.encode(close=False) + second.encode(close=False))


SCRIPTS: Final[Mapping[Fault, Callable[[Exchange, Injection], Iterator[Step]]]] = {
    Fault.STALL: _ending(Stall()),
    Fault.RESET: _ending(Reset()),
    Fault.CLOSE: _ending(Close()),
    Fault.DELAY: _delay,
    Fault.DRIP: _drip,
    Fault.TRUNCATED: _truncated,
    Fault.ENDLESS: _endless,
    Fault.HTTP10: _http10,
    Fault.INFORMATIONAL: _informational,
    Fault.UNENDED_CHUNKS: _unended_chunks,
    Fault.TWO_ANSWERS: _two_responses,
}
