"""The error of the emulator itself."""

from __future__ import annotations


class EmulatorError(Exception):
    """An input of the emulator, such as its directory or an option, is unusable. The text says why."""
