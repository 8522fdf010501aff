"""Floods against known users: forgeries under one user's key ID, and valid tokens that no mapping matches."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from authd.emulator.faults.plan import Fault
from authd.emulator.process import EmulatorProcess
from benchmarks.clients.apiserver import APIServer, Login
from benchmarks.clients.company import STRANGERS_ACCOUNT, User, map_users, users, write_directory
from benchmarks.clients.load import Load, finish_load, start_load
from benchmarks.clients.tokens import CLUSTER, FAST_HOST, write_tokens
from benchmarks.processes import Cores
from benchmarks.servers.daemon import Daemon, start_again

#: Reviews per second of each flood, and the connections that they need while some of them wait.
SAME_KEY_RATE, UNMAPPED_RATE = 1_400, 1_500
_FLOOD_CONNECTIONS = 700
#: The burst of calls to STS, in seconds at the full rate.
_BURST_SECONDS = 2
_OTHER_USERS, _STRANGERS = 60, 600
#: Logins per second as shares of the calls: of all other users (50 at 300 calls), and of the attacked user with a
#: confirmed token and with new ones (10 each).
_OTHERS_SHARE, _ATTACKED_SHARE = 1 / 6, 1 / 30
#: Seconds before the measurement, in which the flood uses up its burst, and after it, for the last tries.
_RISE_SECONDS, _FALL_SECONDS = 5, 6
_FACTOR, _NEW_SHARE = 3.0, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Logins of the attacked user, with a confirmed token and with new ones, and of the others."""

    confirmed: Sequence[Login]
    new: Sequence[Login]
    others: Sequence[Login]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a flood: logins before and during it, its reviews per second, calls to STS and their bound."""

    title: str
    quiet: Seen
    within: Seen
    reviews: float
    calls: int
    allowed: float

    def line(self) -> str:
        """Return a row of the table."""
        p99 = _p99(self.within.others) / _p99(self.quiet.others)
        return (
            f"| {self.title} | {self.reviews:.0f}/s | {_share(self.within.confirmed, first=True):.1%} | "
            f"{_share(self.within.new):.1%} (first try {_share(self.within.new, first=True):.1%}) | "
            f"{_share(self.within.others):.1%} | {_p99(self.quiet.others) * 1000:.1f} | "
            f"{_p99(self.within.others) * 1000:.1f} ({p99:.2f} ×) | {self.calls} of {self.allowed:.0f} | "
            f"{'reached' if self.reached else 'NOT reached'} |"
        )

    @property
    def reached(self) -> bool:
        """Whether every user got access, and the calls to STS stayed within the budget."""
        everybody = _share(self.within.confirmed, first=True) == _share(self.within.others) == 1
        bearable = _p99(self.within.others) < _FACTOR * _p99(self.quiet.others)
        return everybody and bearable and _share(self.within.new) >= _NEW_SHARE and self.calls <= self.allowed


HEAD = (
    "| flood | reviews | confirmed token | new tokens of that user | other users | p99 quiet, ms | p99 within, ms "
    "| calls to STS | |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def _share(logins: Sequence[Login], *, first: bool = False) -> float:
    accepted = [login for login in logins if login.username and (len(login.codes) == 1 or not first)]
    return len(accepted) / (len(logins) or 1)


def _p99(logins: Sequence[Login]) -> float:
    return sorted(login.seconds for login in logins)[int(len(logins) * 0.99)]


async def _log_in(api: APIServer, tokens: Iterator[str], rate: float, seconds: float) -> list[Login]:
    """Log in at a fixed rate, without waiting for responses."""
    begin, logins = time.monotonic(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(begin + number / rate - time.monotonic())
        logins.append(asyncio.create_task(api.login(next(tokens))))
    return list(await asyncio.gather(*logins))


async def _watch(daemon: Daemon, attacked: User, others: list[User], arguments: Namespace) -> Seen:
    calls, seconds = arguments.calls, arguments.seconds
    trust = ssl.create_default_context(cafile=str(daemon.state / "ca.pem"))
    api = APIServer(daemon.port, trust)
    for user in (attacked, *others):
        await api.login(user.token())  # STS confirms all of them
    confirmed = attacked.token()
    await api.login(confirmed)
    turns = itertools.cycle(others)
    seen = await asyncio.gather(
        _log_in(api, itertools.repeat(confirmed), calls * _ATTACKED_SHARE, seconds),
        _log_in(api, (attacked.token() for _ in itertools.count()), calls * _ATTACKED_SHARE, seconds),
        _log_in(api, (next(turns).token() for _ in itertools.count()), calls * _OTHERS_SHARE, seconds),
    )
    api.close()
    return Seen(confirmed=seen[0], new=seen[1], others=seen[2])


def _settings(folder: Path, sts: EmulatorProcess, calls: int, mappings: str) -> str:
    return (
        f"clusterID: {CLUSTER}\nserver:\n  port: 0\n  healthPort: 0\n  stateDir: {folder}/state\n"
        f"  generateKubeconfig: {folder}/kubeconfig.yaml\n"
        f"  sts:\n    callsPerSecond: {calls}\n    caFile: {sts.ca}\n    endpoints:\n"
        f"    - {{host: {FAST_HOST}, connect: '127.0.0.1:{sts.port}'}}\n{mappings}"
    )


def _measure(folder: Path, cores: Cores, arguments: Namespace, title: str, *, delay: float, fillers: int) -> Result:
    attacked, others = User.new("attacked"), users("user", _OTHER_USERS)
    strangers = [] if arguments.same_key else users("stranger", _STRANGERS, STRANGERS_ACCOUNT)
    directory = write_directory(folder / "directory.json", [attacked, *others, *strangers])
    (folder / "daemon").mkdir()
    with EmulatorProcess("--directory", str(directory), "--ca-out", str(folder / "sts.pem")) as sts:
        settings = _settings(folder / "daemon", sts, arguments.calls, map_users([attacked, *others], fillers))
        (folder / "daemon" / "config.yaml").write_text(settings)
        if delay:
            sts.inject(Fault.DELAY, seconds=delay)
        daemon = start_again(folder / "daemon", cores.server)
        with daemon.running:
            quiet = asyncio.run(_watch(daemon, attacked, others, arguments))
            length = arguments.seconds + _RISE_SECONDS + _FALL_SECONDS
            rate = arguments.flood
            flood = attacked.forgeries(rate * length * 2) if arguments.same_key else _unmapped(strangers, rate * length)
            load = Load(
                tokens=write_tokens(folder / "flood", flood),
                connections=_FLOOD_CONNECTIONS,
                seconds=length,
                rate=rate,
                check=True,
            )
            before, begin = sts.counters().requests, time.monotonic()
            running = start_load(load, daemon.port, cores.around)
            time.sleep(_RISE_SECONDS)
            within = asyncio.run(_watch(daemon, attacked, others, arguments))
            calls, seconds = sts.counters().requests - before, time.monotonic() - begin
            ended = finish_load(running)
    if ended.accepted:
        raise SystemExit(f"{ended.accepted} reviews of the flood got in")
    allowed = arguments.calls * (seconds + _BURST_SECONDS)
    return Result(title=title, quiet=quiet, within=within, reviews=ended.rate, calls=calls, allowed=allowed)


def _unmapped(strangers: list[User], count: int) -> Iterator[str]:
    """Mint valid tokens, 50 % more than needed."""
    turns = itertools.cycle(strangers)
    return (next(turns).token() for _ in range(count * 3 // 2))


def measure_targeted(cores: Cores, arguments: Namespace) -> bool:
    """Measure every case and print a table. Returns whether all goals were met."""
    cases = [("50 ms, 100 rules", 0.05, 100), ("50 ms, 10 000 rules", 0.05, 10_000)]
    if arguments.same_key:
        cases = [("STS at 0 ms", 0.0, 0), ("STS at 20 ms", 0.02, 0), ("STS at 50 ms", 0.05, 0)]
    print(HEAD, flush=True)
    reached = True
    for title, delay, fillers in cases:
        with tempfile.TemporaryDirectory(prefix="authd-flood-") as name:
            result = _measure(Path(name), cores, arguments, title, delay=delay, fillers=fillers)
        print(result.line(), flush=True)
        reached &= result.reached
    return reached
