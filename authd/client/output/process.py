"""Whether this process is authd-token's own, or another program's that uses `authd.client` as a library."""

from __future__ import annotations

_state = {"own": False}


def claim_process() -> None:
    """Mark the process as authd-token's own: its environment may be changed, and messages go to stderr."""
    _state["own"] = True


def is_own_process() -> bool:
    """Return whether the process is authd-token's own."""
    return _state["own"]
