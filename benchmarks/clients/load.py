"""Load by wrk: TokenReviews from a token file on a number of connections."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.processes import program

_SCRIPT = Path(__file__).with_name("reviews.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A load. `rate` is in reviews a second, 0 for as fast as responses arrive.

    `again` repeats the tokens of the file. `check` counts the responses that accept the user.
    """

    tokens: Path
    connections: int
    seconds: int
    again: bool = False
    rate: int = 0
    new_connections: bool = False
    check: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a load.

    `latency` is in milliseconds by percentile. `failed` counts reviews without a response, `refused` those with a
    status other than 200.
    """

    reviews: int
    seconds: float
    failed: int
    refused: int
    accepted: int
    latency: dict[float, float]

    @property
    def rate(self) -> float:
        """Responses per second."""
        return self.reviews / self.seconds

    def as_json(self) -> dict[str, object]:
        """Return every value by its name."""
        return asdict(self)


def start_load(load: Load, port: int, core: int) -> subprocess.Popen[str]:
    """Start wrk. `finish_load` waits for its end."""
    command = [program("taskset"), "-c", str(core), program("wrk"), "-t1", f"-c{load.connections}"]
    command += [f"-d{load.seconds}s", "--timeout", "30s", "-s", str(_SCRIPT), f"https://127.0.0.1:{port}", "--"]
    command += [str(load.tokens), "close" if load.new_connections else "keep", "again" if load.again else "once"]
    command += [str(load.rate), "check" if load.check else "trust"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish_load(wrk: subprocess.Popen[str]) -> Outcome:
    """Wait for wrk and parse its result. Exits if there is none, or if the tokens ran out."""
    text = wrk.communicate()[0]
    line = next((line for line in text.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise SystemExit(f"wrk failed: {text[-500:]}")
    result = json.loads(line.removeprefix("RESULT "))
    if result["exhausted"]:
        raise SystemExit("wrk ran out of tokens before its time was over: the token file is too short")
    return Outcome(
        reviews=result["requests"],
        seconds=result["microseconds"] / 1e6,
        failed=result["failed"],
        refused=result["refused"],
        accepted=result["accepted"],
        latency={float(percent): microseconds / 1000 for percent, microseconds in result["latency"].items()},
    )


def run_load(load: Load, port: int, core: int) -> Outcome:
    """Run one load and return its result."""
    return finish_load(start_load(load, port, core))
