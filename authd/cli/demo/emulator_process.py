"""The emulator as a child process that does not outlive the demonstration."""

from __future__ import annotations

from authd.cli.demo.die_with_parent import tied
from authd.emulator.process import EmulatorProcess


class TiedEmulatorProcess(EmulatorProcess):
    """An emulator that ends with the process that started it."""

    def __init__(self, *arguments: str) -> None:
        super().__init__(*arguments)
        self._command = tied(self._command)
