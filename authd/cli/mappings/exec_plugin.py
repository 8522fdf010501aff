"""Runs the credential plugin of a kubeconfig, as kubectl does. It blocks, so the daemon must not use it.

Source: Kubernetes, "client-go credential plugins".
"""

from __future__ import annotations

import json
import os
import subprocess

from authd.cli.shared.errors import CommandError
from authd.kubernetes.kubeconfig import ExecPlugin

_SECONDS = 120
_DEFAULT_VERSION = "client.authentication.k8s.io/v1"


def run_plugin(plugin: ExecPlugin) -> str:
    """Return the plugin's token. Raises `CommandError`."""
    name = plugin.command[0]
    version = plugin.api_version or _DEFAULT_VERSION
    spec = {"interactive": False} if plugin.cluster is None else {"cluster": plugin.cluster, "interactive": False}
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
    environment = {**os.environ, **plugin.environment, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        run = subprocess.run(
            plugin.command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=_SECONDS,
            check=True,
        )
        token = json.loads(run.stdout)["status"]["token"]
    except (OSError, subprocess.SubprocessError) as error:
        reason = _reason(error)
        raise CommandError(f"the kubeconfig's credential plugin {name} {reason}: run it by hand") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        token = None
    if not isinstance(token, str) or not token:
        raise CommandError(
            f"the kubeconfig's credential plugin {name} printed no ExecCredential with a token: run it by hand"
        )
    return token


def _reason(error: OSError | subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"failed with exit status {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"did not end within {_SECONDS} seconds"
    return f"can't be started ({getattr(error, 'strerror', None) or type(error).__name__})"
