"""Runs a user's credential plugin as client-go does."""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import sys
from typing import Any

from authd.cli.kubeconfig.context import Context
from authd.cli.shared.errors import CommandError

_SECONDS = 120
_EXTENSION = "client.authentication.k8s.io/exec"


def run_plugin(context: Context) -> str:
    """Return the token of the context's user. Raises CommandError with the plugin's own message."""
    plugin = context.user.get("exec")
    if not isinstance(plugin, dict):
        if isinstance(context.user.get("token"), str):
            return str(context.user["token"])
        raise CommandError(
            f"the user {context.user_name!r} has no credential plugin; `authd kubeconfig add` writes one"
        )
    words = [str(plugin.get("command")), *(str(word) for word in plugin.get("args") or [])]
    if "/" in words[0]:
        words[0] = str(context.folder / words[0])
    environment = _environment(context, plugin)
    try:
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except FileNotFoundError:
        hint = f"; {plugin['installHint']}" if plugin.get("installHint") else "; install it or correct the command"
        raise CommandError(f"the credential plugin {words[0]} is not on PATH{hint}") from None
    except OSError as error:
        raise CommandError(
            f"the credential plugin {words[0]} cannot be started: {error.strerror}; correct the command or its mode"
        ) from None
    except subprocess.TimeoutExpired:
        raise CommandError(f"the credential plugin did not end within {_SECONDS} seconds; run it by hand") from None
    if done.returncode:
        reason = done.stderr.strip() or f"exit status {done.returncode}"
        raise CommandError(f"the credential plugin failed: {reason}\nits command: {shlex.join(words)}")
    if done.stderr.strip():
        print(done.stderr.strip(), file=sys.stderr)
    return _token(done.stdout, str(plugin.get("apiVersion")))


def _environment(context: Context, plugin: dict[str, Any]) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.get("provideClusterInfo"):
        spec = {"cluster": _cluster_info(context), **spec}
    info = {"kind": "ExecCredential", "apiVersion": plugin.get("apiVersion"), "spec": spec}
    given = {str(entry.get("name")): str(entry.get("value")) for entry in plugin.get("env") or []}
    return {**os.environ, **given, "KUBERNETES_EXEC_INFO": json.dumps(info)}


def _cluster_info(context: Context) -> dict[str, Any]:
    cluster = context.cluster
    info = {"server": cluster.get("server")}
    if cluster.get("certificate-authority-data"):
        info["certificate-authority-data"] = cluster["certificate-authority-data"]
    elif cluster.get("certificate-authority"):
        file = context.folder / cluster["certificate-authority"]
        try:
            pem = file.read_bytes()
        except OSError as error:
            raise CommandError(
                f"{file}: the CA cannot be read: {error.strerror}; correct certificate-authority in the kubeconfig"
            ) from None
        info["certificate-authority-data"] = base64.b64encode(pem).decode()
    for extension in cluster.get("extensions") or []:
        if extension.get("name") == _EXTENSION:
            info["config"] = extension.get("extension")
    return info


def _token(output: str, version: str) -> str:
    try:
        credential = json.loads(output)
        token = credential["status"]["token"]
    except (ValueError, KeyError, TypeError):
        raise CommandError("the credential plugin printed no ExecCredential with a token; run it by hand") from None
    if credential.get("apiVersion") != version:
        raise CommandError(
            f"the kubeconfig asks for {version}, and the plugin answered {credential.get('apiVersion')}; "
            "set the exec entry's apiVersion to client.authentication.k8s.io/v1beta1"
        )
    return str(token)
