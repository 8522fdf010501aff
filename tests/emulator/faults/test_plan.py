from __future__ import annotations

from typing import Any

import pytest

from authd.emulator.directory.errors import EmulatorError
from authd.emulator.faults.plan import PHASED, Fault, FaultPlan, Injection, Phase
from authd.emulator.faults.responses import FAULTY_RESPONSES
from authd.emulator.faults.scripts import SCRIPTS
from authd.emulator.options import read_fault, read_options


def plan(*injections: Injection) -> FaultPlan:
    faults = FaultPlan()
    for injection in injections:
        faults.add(injection)
    return faults


def strikes(faults: FaultPlan, count: int, action: str = "GetCallerIdentity") -> list[str | None]:
    taken = [faults.for_request(action) for _ in range(count)]
    return [injection.fault.label if injection else None for injection in taken]


def test_every_fault_has_an_implementation() -> None:
    """Every fault is either a response or a script."""
    assert FAULTY_RESPONSES.keys() | SCRIPTS.keys() == set(Fault)
    assert not FAULTY_RESPONSES.keys() & SCRIPTS.keys()


def test_every_fault_is_described() -> None:
    """Every fault has a unique name and a description."""
    assert [Fault.named(fault.label) for fault in Fault] == list(Fault)
    assert all(fault.description for fault in Fault)


def test_limited_faults_come_first() -> None:
    """Limited faults apply in their order, then the latest unlimited one, until all are cleared."""
    faults = plan(
        Injection(fault=Fault.XML),
        Injection(fault=Fault.EMPTY),
        Injection(fault=Fault.THROTTLE, times=2),
        Injection(fault=Fault.GARBAGE, times=1),
    )
    assert strikes(faults, 6) == ["throttle", "throttle", "garbage", "empty", "empty", "empty"]
    faults.clear()
    assert strikes(faults, 1) == [None]


def test_fault_of_one_action() -> None:
    """A fault for one action does not affect others, and they don't count for it."""
    faults = plan(Injection(fault=Fault.THROTTLE, times=1, action="AssumeRole"))
    assert strikes(faults, 2) == [None, None]
    assert strikes(faults, 2, "AssumeRole") == ["throttle", None]


def test_connection_faults() -> None:
    """A fault at the accept phase applies to connections and never to requests."""
    faults = plan(Injection(fault=Fault.RESET, phase=Phase.ACCEPT, times=1), Injection(fault=Fault.XML, times=1))
    assert faults.for_connection().fault is Fault.RESET
    assert faults.for_connection() is None
    assert strikes(faults, 2) == ["xml", None]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fault": Fault.THROTTLE, "phase": Phase.BODY}, "'throttle' has no phases"),
        *(({"fault": fault}, "needs a phase") for fault in PHASED),
        ({"fault": Fault.RESET, "phase": Phase.ACCEPT, "action": "AssumeRole"}, "no action is known yet"),
        ({"fault": Fault.THROTTLE, "times": 0}, "at least 1"),
        ({"fault": Fault.DELAY, "seconds": -1}, "from 0 to 3600"),
        ({"fault": Fault.DELAY, "seconds": float("nan")}, "from 0 to 3600"),
    ],
)
def test_useless_injections(settings: dict[str, Any], words: str) -> None:
    """A combination without effect is refused."""
    with pytest.raises(EmulatorError, match=words):
        Injection(**settings)


@pytest.mark.parametrize(
    ("text", "injection"),
    [
        ("throttle", Injection(fault=Fault.THROTTLE)),
        ("throttle,times=3", Injection(fault=Fault.THROTTLE, times=3)),
        ("stall:body", Injection(fault=Fault.STALL, phase=Phase.BODY)),
        ("delay,seconds=0.5,action=AssumeRole", Injection(fault=Fault.DELAY, seconds=0.5, action="AssumeRole")),
        ("redirect,location=a.example", Injection(fault=Fault.REDIRECT, location="a.example")),
    ],
)
def test_fault_on_the_command_line(text: str, injection: Injection) -> None:
    """A fault on the command line equals the one in code."""
    assert read_fault(text) == injection
    assert read_options(["--fault", text]).fault == [injection]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("throtle", "unknown fault 'throtle'; known are throttle, "),
        ("stall", "needs a phase"),
        ("stall:", "unknown phase ''; known are accept, handshake, headers, body"),
        ("stall:middle", "unknown phase 'middle'"),
        ("throttle,times=x", "times is not a number"),
        ("throttle,times", "'times' is not NAME=VALUE"),
        ("throttle,speed=1", "unknown member 'speed'; known are fault, phase"),
    ],
)
def test_wrong_fault_on_the_command_line(text: str, words: str) -> None:
    """An unknown fault is refused with the list of known ones."""
    with pytest.raises(EmulatorError, match=words):
        read_fault(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fault", "x"], "unknown fault 'x'"),
        (["--port", "65536"], "'65536' is not a port"),
        (["--port", "٣"], "is not a port"),
        (["--host", "a.example"], "is not NAME=REGION"),
        (["--certificate", "x"], "--certificate and --key belong together"),
        (["--certificate", "x", "--key", "y", "--ca-out", "z"], "--ca-out is for the throw-away authority"),
    ],
)
def test_wrong_command_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An invalid command line ends with status 2 and a message."""
    with pytest.raises(SystemExit) as ended:
        read_options(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
