"""The control endpoint: JSON requests over the emulator's port that set faults and the clock and read counters.

- `POST /_emulator/inject` `{"fault": "throttle", "times": 3}`, also `phase`, `action`, `seconds`, `location`
- `POST /_emulator/clear` `{}`
- `POST /_emulator/counters` `{}`
- `POST /_emulator/clock` `{"offset": 3600}`: seconds added to the emulator's clock

Faults don't affect these requests. A fault at `Phase.ACCEPT` affects every new connection, so keep one open.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from authd.emulator.directory.errors import EmulatorError
from authd.emulator.faults.plan import Fault, Injection, Phase
from authd.emulator.sts.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authd.emulator.faults.faulty_sts import FaultySTS
    from authd.emulator.sts.request import WireRequest

PREFIX: Final = b"/_emulator/"
_LARGEST_OFFSET: Final = 10 * 366 * 24 * 3600
_INJECTION_FIELDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "fault": str,
    "phase": str,
    "times": int,
    "action": str,
    "seconds": (int, float),
    "location": str,
}


def control(faulty: FaultySTS, request: WireRequest) -> Response:
    """Execute a control request and return the response, 400 with a message if the request is invalid."""
    command = _COMMANDS.get(request.path.removeprefix(PREFIX))
    if command is None:
        return _response(404, {"error": "there is no such control; see the emulator's documentation"})
    if request.method != b"POST" or request.header(b"content-type") != b"application/json":
        return _response(405, {"error": "controls are POSTed as application/json"})
    try:
        return _response(200, command(faulty, _json_object(request.body)))
    except EmulatorError as error:
        return _response(400, {"error": str(error)})


def read_injection(members: Mapping[str, Any]) -> Injection:
    """Parse the body of `inject`. Raises `EmulatorError`."""
    for name, value in members.items():
        expected = _INJECTION_FIELDS.get(name)
        if expected is None:
            raise EmulatorError(f"unknown member {name!r}; known are {', '.join(_INJECTION_FIELDS)}")
        if not isinstance(value, expected) or isinstance(value, bool):
            raise EmulatorError(f"member {name!r} has the wrong type")
    if "fault" not in members:
        raise EmulatorError("member 'fault' is missing")
    options = {name: value for name, value in members.items() if name not in {"fault", "phase"}}
    phase = read_phase(members["phase"]) if "phase" in members else None
    return Injection(fault=Fault.named(members["fault"]), phase=phase, **options)


def read_phase(label: str) -> Phase:
    """Return the phase with this name. Raises `EmulatorError` with the known names."""
    try:
        return Phase(label)
    except ValueError:
        known = ", ".join(phase.value for phase in Phase)
        raise EmulatorError(f"unknown phase {label!r}; known are {known}") from None


def _inject(faulty: FaultySTS, members: Mapping[str, Any]) -> Mapping[str, Any]:
    faulty.plan.add(read_injection(members))
    return {}


def _clear(faulty: FaultySTS, _: Mapping[str, Any]) -> Mapping[str, Any]:
    faulty.plan.clear()
    return {}


def _counters(faulty: FaultySTS, _: Mapping[str, Any]) -> Mapping[str, Any]:
    return asdict(faulty.counters())


def _clock(faulty: FaultySTS, members: Mapping[str, Any]) -> Mapping[str, Any]:
    offset = members.get("offset")
    if (
        not isinstance(offset, int | float)
        or isinstance(offset, bool)
        or not -_LARGEST_OFFSET <= offset <= _LARGEST_OFFSET
    ):
        raise EmulatorError("member 'offset' must be a number of seconds, ten years at most")
    faulty.clock_offset = float(offset)
    return {"now": faulty.now()}


_COMMANDS: Final[Mapping[bytes, Callable[[FaultySTS, Mapping[str, Any]], Mapping[str, Any]]]] = {
    b"inject": _inject,
    b"clear": _clear,
    b"counters": _counters,
    b"clock": _clock,
}


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        members = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise EmulatorError("the body is not JSON") from None
    if not isinstance(members, dict):
        raise EmulatorError("the body is not a JSON object")
    return members


def _response(status: int, members: Mapping[str, Any]) -> Response:
    body = json.dumps(members).encode()
    return Response(status=status, headers=(("Content-Type", "application/json"),), body=body)
