"""The result of a soak."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.servers.daemon import Daemon
from benchmarks.soaking.disturbance import Events
from benchmarks.soaking.traffic import Tally

_MINUTE = 60.0
#: The growth of memory in the second half, in MB, that still counts as flat.
_MOST_GROWTH = 3.0


@dataclass(slots=True, kw_only=True)
class Watch:
    """Samples of the process: seconds since the start, resident MB, open descriptors."""

    samples: list[tuple[float, float, int]] = field(default_factory=list)
    lag: dict[str, float] = field(default_factory=dict)
    tracebacks: Counter[str] = field(default_factory=Counter)
    _began: float = field(default_factory=time.monotonic)

    def take(self, daemon: Daemon) -> None:
        """Take a sample. Searches the log for forbidden texts, then empties it."""
        elapsed = time.monotonic() - self._began
        self.samples.append((round(elapsed, 1), daemon.running.resident_mb(), daemon.running.descriptors()))
        with daemon.running.log.open() as log:
            self.tracebacks.update(json.loads(line)["traceback"] for line in log if '"traceback":' in line)
        daemon.empty_log()

    def resident_after(self, seconds: float) -> float:
        """Return the resident memory at the first sample after some seconds."""
        return next((resident for at, resident, _ in self.samples if at >= seconds), self.samples[-1][1])


def report(tally: Tally, events: Events, watch: Watch, path: Path | None) -> int:
    """Print the table. Returns 1 if anything was wrong or grew, otherwise 0."""
    (_, first_resident, first_open), (length, last_resident, last_open) = watch.samples[0], watch.samples[-1]
    rows = {
        "reviews": f"{tally.answered.total()} in {length / _MINUTE:.1f} min ({_counted(tally.answered)})",
        "wrong answers": f"{tally.wrong.total()} {_counted(tally.wrong)}",
        "reviews without an answer": f"{tally.unanswered.total()} {_counted(tally.unanswered)}",
        "done meanwhile": _counted(events.done),
        "without effect": str(len(events.failed)),
        "tracebacks in the log": str(watch.tracebacks.total()),
        "resident memory": f"{first_resident:.1f} MB idle, {watch.resident_after(_MINUTE):.1f} after a minute, "
        f"{watch.resident_after(length / 2):.1f} at half time, {last_resident:.1f} at the end",
        "open descriptors": f"{first_open} at the start, at most {max(s[2] for s in watch.samples)}, {last_open} after",
        "reactor lag": ", ".join(f"{name} {value:.1f} ms" for name, value in watch.lag.items()),
    }
    print("| soak | |\n| --- | --- |")
    print("\n".join(f"| {name} | {value} |" for name, value in rows.items()))
    details = [*tally.examples, *events.failed[:20], *list(watch.tracebacks)[:3]]
    print("\n".join(["", *details]))
    if path:
        seen = {"samples": watch.samples, "lag": watch.lag, "answered": tally.answered, "wrong": tally.wrong}
        seen |= {"unanswered": tally.unanswered, "done": events.done, "details": details}
        path.write_text(json.dumps(seen, indent=1) + "\n")
    wrong = tally.wrong or tally.unanswered or events.failed or watch.tracebacks
    grown = last_resident - watch.resident_after(length / 2) > _MOST_GROWTH or last_open > first_open
    print("NOT reached" if wrong or grown else "reached")
    return 1 if wrong or grown else 0


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
