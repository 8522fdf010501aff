"""OpenSSL's descriptions of errors."""

from __future__ import annotations

from OpenSSL import SSL


def openssl_reason(error: SSL.Error) -> str:
    """Return the reasons of an error, such as `certificate verify failed`. They hold no data of the peer."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(entry[-1]) for entry in entries) or "no reason given"
