"""The error of the emulator itself."""

from __future__ import annotations


class EmulatorError(Exception):
    """An unusable input of the emulator, such as its directory or an option. The text gives the reason."""
