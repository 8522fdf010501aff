"""Disturbances during the soak: hostile clients, reloads, a certificate swap."""

from __future__ import annotations

import asyncio
import random
import signal
import ssl
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from authd.state.certificate_store import StateFiles
from benchmarks.clients.connection import Connection
from benchmarks.servers.daemon import Daemon, many_rules, settings_text
from benchmarks.servers.nginx import STS
from benchmarks.soaking.traffic import Tally

#: Seconds for which a hostile client waits to be disconnected: longer than any timeout of the daemon.
_HOSTILE_SECONDS = 15.0
#: Seconds within which a change must take effect, and between two checks.
_LIMIT_SECONDS = 10.0
_LOOK_SECONDS = 0.1
_BROKEN_SHARE = 0.2


@dataclass(slots=True, kw_only=True)
class Events:
    """The number of each disturbance, and those without effect in time."""

    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


async def reload_repeatedly(
    daemon: Daemon, sts: STS, *, rules: int, seconds: float, tally: Tally, events: Events
) -> None:
    """Replace the settings every few seconds until cancelled, one time in five with a broken file first."""
    for generation in range(1, 1_000_000):
        await asyncio.sleep(seconds)
        if random.random() < _BROKEN_SHARE:
            _replace(daemon.settings, "clusterID: [\n")
            events.done["broken settings"] += 1
            await asyncio.sleep(seconds)
        _replace(daemon.settings, soak_settings(daemon.folder, sts, rules, generation))
        events.done["reloads"] += 1
        await _in_time(_in_force(tally, generation), f"generation {generation} was not in force", events)


def soak_settings(folder: Path, sts: STS, rules: int, generation: int) -> str:
    """Return settings whose mappings name their generation."""
    return settings_text(folder, sts, options={"timeout": "3s"}, rules=many_rules(rules, generation))


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


async def swap_certificates(daemon: Daemon, seconds: float, connection: Connection, events: Events) -> None:
    """Sign a new certificate at intervals, request a reload, and wait for new connections to get it."""
    files = StateFiles(folder=daemon.state)
    while True:
        await asyncio.sleep(seconds)
        before = await connection.serial()
        files.issue_leaf(files.read_authority(), ("localhost", "127.0.0.1"), datetime.now(UTC))
        daemon.running.process.send_signal(signal.SIGHUP)
        events.done["certificate swaps"] += 1
        await _in_time(_served(connection, before), "the new certificate was not served", events)


async def _in_force(tally: Tally, generation: int) -> None:
    while tally.generation < generation:  # observed in responses, without an event
        await asyncio.sleep(_LOOK_SECONDS)


async def _served(connection: Connection, before: str) -> None:
    while await connection.serial() == before:  # observed on new connections, without an event
        await asyncio.sleep(_LOOK_SECONDS)


async def _in_time(effect: Coroutine[Any, Any, None], without: str, events: Events) -> None:
    try:
        await asyncio.wait_for(effect, _LIMIT_SECONDS)
    except TimeoutError:
        events.failed.append(f"{without} after {_LIMIT_SECONDS:g} s")


_HEAD = b"POST /authenticate HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
#: A hostile client's data, in pieces with a pause between them. None stands for a client without TLS.
_HOSTILE_DATA: dict[str, tuple[bytes, ...] | None] = {
    "silent before TLS": None,
    "silent after TLS": (),
    "a body that never comes": (_HEAD + b"500\r\n\r\n", b"{"),
    "a body that is too long": (_HEAD + b"99999999\r\n\r\n", b"x" * 100_000),
    "a header without end": (b"POST /authenticate HTTP/1.1\r\nX: " + b"y" * 9000,),
    "a drip": (b"POST ", *(bytes([c]) for c in b"/authenticate HTTP/1.1\r\nHost: localhost\r\n" * 4)),
    "nonsense": (b"\x00\x01\x02\r\n\r\n",),
}


async def attack_repeatedly(port: int, trust: ssl.SSLContext, events: Events) -> None:
    """Send hostile data until cancelled. The daemon must close every such connection."""
    while True:
        name, pieces = random.choice(list(_HOSTILE_DATA.items()))
        try:
            async with asyncio.timeout(_HOSTILE_SECONDS):
                await _attack(port, None if pieces is None else trust, pieces or ())
        except TimeoutError:
            events.failed.append(f"a rude client was not cut off: {name}")
        events.done[f"rude: {name}"] += 1


async def _attack(port: int, trust: ssl.SSLContext | None, pieces: tuple[bytes, ...]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.2)
        while await reader.read(4096):
            pass
    except OSError:
        pass  # disconnected, as required
    finally:
        writer.transport.abort()
