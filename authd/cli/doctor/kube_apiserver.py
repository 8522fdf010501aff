"""Checks kube-apiserver on this machine: webhook flags, mounts and start time."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from authd.cli.doctor.findings import Finding, error, ok, warning
from authd.cli.doctor.installation import Installation
from authd.cli.doctor.processes import Process, find_kube_apiservers, started
from authd.state.atomic_file import read_regular

_CONFIG_FLAG, _VERSION_FLAG = "--authentication-token-webhook-config-file", "--authentication-token-webhook-version"
_DEFAULT_VERSION = "v1beta1"
_VERSIONS = ("v1", _DEFAULT_VERSION)


def examine_kube_apiserver(installation: Installation) -> Iterator[Finding]:
    """Check the static pod manifest, or else the process's command line, and the process's start time."""
    try:
        pod = _pod(installation.manifest)
    except FileNotFoundError:
        pod = None
    except OSError as problem:
        yield warning(f"{installation.manifest} can't be read: {problem.strerror}", "run authd doctor with sudo")
        return
    except (ValueError, yaml.YAMLError, RecursionError):
        yield error(f"{installation.manifest} is not a manifest of kube-apiserver", "restore it from a backup")
        return
    running = find_kube_apiservers(installation.proc)
    if pod is None and not running:
        message = f"there is no kube-apiserver here: no {installation.manifest} and no such process"
        yield warning(message, "run authd doctor on a control-plane node, or give --manifest")
        return
    command = _command(pod) if pod is not None else _process_reading(str(installation.kubeconfig), running).command
    yield from _flags(installation, command, pod)
    for process in running:
        if _flag(process.command, _CONFIG_FLAG) == _flag(command, _CONFIG_FLAG) is not None:
            yield from _start(installation, started(installation.proc, process, time.time()))


def _process_reading(kubeconfig: str, running: Sequence[Process]) -> Process:
    """Return the process that reads the kubeconfig, or the first one if none does."""
    return next((each for each in running if _flag(each.command, _CONFIG_FLAG) == kubeconfig), running[0])


def _pod(manifest: Path) -> dict[str, Any]:
    content = yaml.safe_load(read_regular(manifest))
    spec = content.get("spec") if isinstance(content, dict) else None
    container = _container(content) if isinstance(spec, dict) else {}
    if not container or not all(isinstance(container.get(field) or [], list) for field in ("command", "args")):
        raise ValueError("no pod of kube-apiserver")
    _mappings(container.get("volumeMounts"))
    _mappings([each.get("hostPath") or {} for each in _mappings(content["spec"].get("volumes"))])
    return dict(content)


def _mappings(items: object) -> list[dict[str, Any]]:
    """Return a list of mappings, empty if it is absent. Raises `ValueError` for anything else."""
    items = items or []
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        raise ValueError("not a list of mappings")
    return items


def _container(pod: dict[str, Any]) -> dict[str, Any]:
    found = [each for each in _mappings(pod["spec"].get("containers")) if "kube-apiserver" in str(each)]
    return found[0] if found else {}


def _command(pod: dict[str, Any]) -> list[str]:
    container = _container(pod)
    return [str(word) for word in [*(container.get("command") or []), *(container.get("args") or [])]]


def _flag(command: Sequence[str], name: str) -> str | None:
    for word, following in zip(command, [*command[1:], ""], strict=True):
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name:
            return following
    return None


def _flags(installation: Installation, command: Sequence[str], pod: dict[str, Any] | None) -> Iterator[Finding]:
    place = str(installation.manifest) if pod is not None else "kube-apiserver's command line"
    given = _flag(command, _CONFIG_FLAG)
    if given is None:
        message = f"kube-apiserver does not ask authd: {place} has no {_CONFIG_FLAG}"
        yield error(message, f"add {_CONFIG_FLAG}={installation.kubeconfig} to {place}")
        return
    host_path = given if pod is None else _host_path(pod, given)
    if host_path is None:
        folder = installation.kubeconfig.parent
        message = f"{place} mounts no folder of the host at {given}"
        yield error(message, f"add a hostPath volume {folder} with mountPath {folder}, see docs/guides/systemd.md")
    elif Path(host_path).resolve() != installation.kubeconfig.resolve():
        message = f"kube-apiserver reads {host_path}, but authd writes {installation.kubeconfig}"
        yield error(message, f"set server.generateKubeconfig: {host_path}, or the flag {_CONFIG_FLAG}")
    else:
        yield ok(f"kube-apiserver reads {host_path}")
    if pod is not None and pod["spec"].get("hostNetwork") is not True:
        yield error(
            f"{place} has no hostNetwork: true, so localhost in the pod is not the node", "set hostNetwork: true"
        )
    version = _flag(command, _VERSION_FLAG) or _DEFAULT_VERSION
    if version not in _VERSIONS:
        yield error(f"{_VERSION_FLAG} is {version}, which kube-apiserver does not know", f"set {_VERSION_FLAG}=v1")


def _host_path(pod: dict[str, Any], path: str) -> str | None:
    """Return the path on the host of a path in the pod, None if it is not in a hostPath volume."""
    volumes = pod["spec"].get("volumes") or []
    sources = {str(each.get("name")): (each.get("hostPath") or {}).get("path") for each in volumes}
    inside = PurePosixPath(path)
    mounts = _container(pod).get("volumeMounts") or []
    for mount in sorted(mounts, key=lambda each: len(str(each.get("mountPath"))), reverse=True):
        base, source = PurePosixPath(str(mount.get("mountPath"))), sources.get(str(mount.get("name")))
        if inside.is_relative_to(base):
            return None if source is None else str(PurePosixPath(str(source)) / inside.relative_to(base))
    return None


def _start(installation: Installation, start: datetime | None) -> Iterator[Finding]:
    """Compare the process's start with the kubeconfig's last change: kube-apiserver reads it only at its start."""
    try:
        changed = datetime.fromtimestamp(installation.kubeconfig.stat().st_mtime, UTC)
    except OSError:
        return  # the certificate's check reports it
    if start is None:
        return
    if start < changed:
        manifest, aside = shlex.quote(str(installation.manifest)), "/root/kube-apiserver.yaml"
        message = (
            f"kube-apiserver started at {start:%Y-%m-%dT%H:%M:%SZ}, before {installation.kubeconfig} changed at "
            f"{changed:%Y-%m-%dT%H:%M:%SZ}, and still uses the old one"
        )
        yield warning(message, f"mv {manifest} {aside} && sleep 30 && mv {aside} {manifest}")
    else:
        yield ok(f"kube-apiserver has read {installation.kubeconfig} since its last change")
