"""authd-token, kubectl's credential plugin for clusters whose users are AWS IAM identities, and its Python interface.

    from authd.client import KubernetesAuth, get_token

`docs/library.md` describes the interface. Its names are imported at their first use, because kubectl waits for every
import.
"""

from __future__ import annotations

# Type checkers take it as true. Importing it from typing would double the run time.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from authd.client.api.auth import KubernetesAuth as KubernetesAuth
    from authd.client.api.tokens import Token as Token
    from authd.client.api.tokens import exec_credential as exec_credential
    from authd.client.api.tokens import get_token as get_token
    from authd.client.fast.errors import ClientError as ClientError

__all__ = ["ClientError", "KubernetesAuth", "Token", "exec_credential", "get_token"]

_MODULES = {
    "ClientError": "authd.client.fast.errors",
    "KubernetesAuth": "authd.client.api.auth",
    "Token": "authd.client.api.tokens",
    "exec_credential": "authd.client.api.tokens",
    "get_token": "authd.client.api.tokens",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sys import modules

    __import__(_MODULES[name])
    value: object = getattr(modules[_MODULES[name]], name)
    globals()[name] = value
    return value
