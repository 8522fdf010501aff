"""The demonstration: all callers log in, then the mapping file changes, breaks and is repaired."""

from __future__ import annotations

import os
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from authd.cli.demo import scenario
from authd.cli.demo.cases import Case, alice, bob, first_cases
from authd.cli.demo.daemon_process import DaemonProcess
from authd.cli.demo.table import Outcome, header, row
from authd.cli.demo.tokens import Mint
from authd.cli.demo.webhook_client import Webhook
from authd.cli.shared.errors import CommandError
from authd.emulator.faults.plan import Fault
from authd.emulator.process import EmulatorProcess

#: A reload takes a fifth of a second. The poll that covers lost events runs every half minute.
_RELOAD_SECONDS = 45.0
_POLL_SECONDS = 0.05
_COLUMNS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """One run of the demonstration. `outcomes` are the actual outcomes so far."""

    settings: Path
    daemon: DaemonProcess
    emulator: EmulatorProcess
    webhook: Webhook
    mint: Mint
    health: str
    outcomes: list[Outcome] = field(default_factory=list)

    def run(self) -> bool:
        """Run all steps and return whether every outcome was the expected one."""
        print(f"Webhook: {self.webhook.url}\nSTS is emulated. It verifies every signature.\n")
        print(header())
        good = [self._show(case) for case in first_cases(self.mint)]
        original = self.settings.read_text("utf-8")
        edited = scenario.with_bob(original)

        print("\nReload: add a mapping for bob to the settings file while the daemon runs.")
        token = bob(self.mint, mapped=True).token()
        took = self._replace_settings(edited, lambda: bool(self.webhook.review(token).username))
        print(f"In force after {took:.1f} s:\n")
        print(header())
        good.append(self._show(bob(self.mint, mapped=True)))

        print("\nBroken file: make a typo in that mapping.")
        self._replace_settings(scenario.with_typo(edited), lambda: "not ready" in self._readiness())
        print(f"{self.health}/readyz names the line:\n")
        print(_wrapped(self._readiness()))
        print("\nThe last good mappings stay in force:\n")
        print(header())
        good += [self._show(alice(self.mint)), self._show(bob(self.mint, mapped=True))]

        print("\nRepair: correct the typo.")
        took = self._replace_settings(edited, lambda: "not ready" not in self._readiness())
        print(f"Ready again after {took:.1f} s:\n\n{_wrapped(self._readiness())}")
        return all(good)

    def _show(self, case: Case) -> bool:
        token = case.token()
        if case.throttled:
            self.emulator.inject(Fault.THROTTLE, times=1)
        list(self.daemon.events())  # drops the events of earlier tokens
        response = self.webhook.review(token)
        decisions = [str(event["reason"]) for event in self.daemon.events() if "decision" in event]
        outcome = Outcome(case=case, response=response, reason=" ".join(decisions))
        self.outcomes.append(outcome)
        print(row(outcome), flush=True)
        return not outcome.difference

    def _readiness(self) -> str:
        try:
            with urllib.request.urlopen(f"{self.health}/readyz", timeout=5) as response:  # noqa: S310  # loopback
                return str(response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()

    def _replace_settings(self, text: str, in_force: Callable[[], bool]) -> float:
        """Replace the settings file as an editor does, and return the seconds until the daemon has reloaded it."""
        begun = time.monotonic()
        temporary = self.settings.with_suffix(".new")
        temporary.write_text(text, "utf-8")
        os.replace(temporary, self.settings)  # noqa: PTH105  # the name of the system call
        while time.monotonic() < begun + _RELOAD_SECONDS:
            if in_force():
                return time.monotonic() - begun
            time.sleep(_POLL_SECONDS)
        raise CommandError(
            f"the daemon did not reload the settings file within {_RELOAD_SECONDS:.0f} s: if the machine is "
            "under heavy load, run the demonstration again later"
        )


def _wrapped(text: str) -> str:
    lines = (textwrap.wrap(line, _COLUMNS, subsequent_indent="    ") for line in text.splitlines())
    return "\n".join(line for wrapped in lines for line in wrapped)
