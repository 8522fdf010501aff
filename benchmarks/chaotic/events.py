"""The events of a chaos run. Checks that each takes effect in time."""

from __future__ import annotations

import asyncio
import random
import signal
import ssl
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from authd.emulator.faults.plan import Fault, Phase
from authd.emulator.process import EmulatorProcess
from authd.state.certificate_store import StateFiles
from benchmarks.chaotic.daemon import ChaosDaemon
from benchmarks.chaotic.traffic import Traffic
from benchmarks.chaotic.truth import RELOAD_SECONDS, Generation, Truth
from benchmarks.clients.apiserver import APIServer
from benchmarks.clients.company import User, map_users
from benchmarks.clients.connection import Connection
from benchmarks.clients.tokens import CLUSTER

_POLL_SECONDS = 0.1
#: Faults, and whether every response during the fault is wrong.
_FAULTS: tuple[tuple[Fault, Phase | None, bool], ...] = (
    (Fault.THROTTLE, None, True),
    (Fault.INTERNAL_FAILURE, None, True),
    (Fault.UNAVAILABLE, None, True),
    (Fault.BAD_GATEWAY, None, True),
    (Fault.GARBAGE, None, True),
    (Fault.TRUNCATED, None, True),
    (Fault.STALL, Phase.HANDSHAKE, True),
    (Fault.RESET, Phase.HANDSHAKE, True),
    (Fault.CLOSE, Phase.HEADERS, True),
    (Fault.STALL, Phase.ACCEPT, False),
    (Fault.DELAY, None, False),
)
_FLOODS = ("same key", "unmapped", "invented keys")
#: The most users without a mapping in a generation, and the largest clock jump in seconds, which new tokens survive.
_MOST_REMOVED, _CLOCK_SECONDS = 5, 120.0


@dataclass(slots=True, kw_only=True)
class Chaos:
    """Causes events until cancelled."""

    daemon: ChaosDaemon
    emulators: dict[str, EmulatorProcess]
    traffic: Traffic
    flood_api: APIServer
    trust: ssl.SSLContext
    truth: Truth
    locks: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Cause one event after the other, with faults and floods in the background."""
        events = [self.restart, self.kill, self.reload, self.reload, self.break_settings, self.replace_certificate]
        events += [self.jump_clock, self.fill_disk] if not self.daemon.disk.problem else [self.jump_clock]
        background = [self._every(self._flood, 12), *(self._every(self._fault(host), 15) for host in self.emulators)]

        async def cause_one() -> None:
            await random.choice(events)()

        tasks = [asyncio.create_task(each) for each in (*background, self._every(cause_one, 4))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    @staticmethod
    async def _every(event: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            await asyncio.sleep(random.uniform(0.5, 1.5) * seconds)
            await event()

    async def restart(self) -> None:
        """Stop the daemon by SIGTERM, as for an update. Its socket stays open."""
        await self._end(signal.SIGTERM, "restarts")

    async def kill(self) -> None:
        """Kill the daemon."""
        await self._end(signal.SIGKILL, "SIGKILL")

    async def _end(self, number: signal.Signals, name: str) -> None:
        starts = self.daemon.starts
        with self.truth.trouble(""):
            self.daemon.signal(number)
            while self.daemon.starts == starts:
                await asyncio.sleep(_POLL_SECONDS)
            await self._effect(lambda: self._answers(0), f"no login after {name}")
        self.done[name] += 1

    async def reload(self) -> None:
        """Write other mappings. Checks that they come into force and are kept as the last good settings."""
        await self._reload()
        kept = StateFiles(folder=self.daemon.disk.folder).last_good

        async def is_kept() -> bool:
            return kept.exists() and kept.read_bytes() == self.daemon.settings.read_bytes()

        await self._effect(is_kept, "the last good settings were not kept")
        self.done["reloads"] += 1

    async def _reload(self) -> None:
        number = self.truth.generations[-1].number + 1
        names = [user.name for user in self.traffic.known[: 4 * _MOST_REMOVED]]
        removed = frozenset(random.sample(names, random.randrange(_MOST_REMOVED)))
        self.truth.generations.append(Generation(number, removed, time.monotonic()))
        self.write(self.settings(number, removed))
        await self._effect(lambda: self._answers(number), f"generation {number} was not in force")

    async def break_settings(self) -> None:
        """Break the settings file, sometimes restart with it, and restore the last settings."""
        last = self.truth.generations[-1]
        self.write(random.choice(("clusterID: [\n", "server: {mapUser: []}\n", "\x00", "")))
        await asyncio.sleep(2)
        if random.random() < 0.3:
            await self.restart()
        self.write(self.settings(last.number, last.removed))
        self.done["broken settings"] += 1

    async def replace_certificate(self) -> None:
        """Sign a new certificate. Checks that new connections get it."""
        files = StateFiles(folder=self.daemon.disk.folder)
        before = await self._serial()
        files.issue_leaf(files.read_authority(), ("localhost", "127.0.0.1"), datetime.now(UTC))
        self.daemon.signal(signal.SIGHUP)

        async def served() -> bool:
            return await self._serial() != before

        await self._effect(served, "the new certificate was not served")
        self.done["certificates replaced"] += 1

    async def jump_clock(self) -> None:
        """Make the daemon's wall clock jump, and jump back."""
        self.daemon.set_clock(random.choice((-_CLOCK_SECONDS, _CLOCK_SECONDS)))
        await asyncio.sleep(3)
        self.daemon.set_clock(0.0)
        self.done["clock jumps"] += 1

    async def fill_disk(self) -> None:
        """Fill the disk of the state directory, and reload. After that, a reload keeps its settings again."""
        self.daemon.disk.fill_up()
        await asyncio.sleep(1)
        await self._reload()
        self.daemon.disk.free()
        await self.reload()
        self.done["full disk"] += 1

    def _fault(self, host: str) -> Callable[[], Awaitable[None]]:
        async def strike() -> None:
            fault, phase, total = random.choice(_FAULTS)
            with self.truth.trouble(host):
                await self.control(host, partial(self.emulators[host].inject, fault, phase=phase, seconds=0.3))
                with self.truth.trouble(host, total=total):
                    await asyncio.sleep(random.uniform(2, 6))
                await self.control(host, self.emulators[host].clear)
            self.done["STS faults"] += 1

        return strike

    async def control(self, host: str, command: Callable[[], object]) -> None:
        """Run a control command of a host's emulator, one at a time, on its only control connection."""
        async with self.locks[host]:
            await asyncio.to_thread(command)

    async def _flood(self) -> None:
        kind = random.choice(_FLOODS)
        await self.traffic.flood(kind, random.uniform(3, 8), self.flood_api)
        self.done[f"floods: {kind}"] += 1

    async def _answers(self, number: int) -> bool:
        return self.truth.seen >= number and self.truth.last_accepted > self.daemon.started

    async def _serial(self) -> str:
        connection = Connection(self.daemon.port, self.trust)
        try:
            return await connection.serial()
        except (OSError, EOFError):
            return ""

    async def _effect(self, happened: Callable[[], Awaitable[bool]], without: str) -> None:
        limit = time.monotonic() + RELOAD_SECONDS
        while not await happened():
            if time.monotonic() > limit:
                self.failed.append(f"{time.strftime('%H:%M:%S')} {without} within {RELOAD_SECONDS:g} s")
                return
            await asyncio.sleep(_POLL_SECONDS)

    def write(self, text: str) -> None:
        """Replace the settings file."""
        new = self.daemon.folder / "config.new"
        new.write_text(text)
        new.rename(self.daemon.settings)

    def settings(self, number: int, removed: frozenset[str]) -> str:
        """Return the settings of a generation."""
        endpoints = "".join(
            f"    - {{host: {host}, connect: '127.0.0.1:{sts.port}', caFile: {sts.ca}}}\n"
            for host, sts in self.emulators.items()
        )
        mapped: list[User] = [user for user in self.traffic.known if user.name not in removed]
        return (
            f"clusterID: {CLUSTER}\nserver:\n  port: {self.daemon.port}\n  healthPort: 0\n"
            f"  stateDir: {self.daemon.disk.folder}\n  generateKubeconfig: {self.daemon.folder}/kubeconfig.yaml\n"
            f"  startFromLastGood: true\n  sts:\n    timeout: 2s\n    endpoints:\n{endpoints}"
            + map_users(mapped, group=f"generation-{number}")
        )
