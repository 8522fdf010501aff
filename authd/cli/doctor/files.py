"""Checks modes and owners of the daemon's files, which depend on the user that it runs as."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from collections.abc import Iterator

from authd.cli.doctor.findings import Finding, error, ok, warning
from authd.cli.doctor.installation import Installation
from authd.cli.doctor.processes import daemon_uid

_WRITE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_ACCESS_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def examine_files(installation: Installation) -> Iterator[Finding]:
    """Check settings, state directory and webhook kubeconfig."""
    folder = installation.files.folder
    try:
        state = folder.stat()
    except OSError as problem:
        yield error(f"the state directory {folder} can't be used: {problem.strerror}", installation.init_command)
        return
    running = daemon_uid(installation.proc, installation.config)
    uid = state.st_uid if running is None else running
    found = [*_settings(installation, uid), *_state(installation, state, uid), *_kubeconfig(installation)]
    yield from found or [ok(f"modes and owners of settings, {folder} and kubeconfig fit the user {_name(uid)}")]


def _settings(installation: Installation, uid: int) -> Iterator[Finding]:
    for path in (installation.config, installation.config.parent):
        try:
            status = path.stat()
        except OSError:
            continue  # the settings' own check reports it
        if status.st_mode & _WRITE_BY_OTHERS and not status.st_mode & stat.S_ISVTX:
            message = f"users other than the owner can write {path}, and so become cluster-admin"
            yield error(message, f"chmod go-w {shlex.quote(str(path))}")
        if status.st_uid not in {0, os.geteuid()}:
            message = f"{path} belongs to {_name(status.st_uid)}, who can become cluster-admin with it"
            yield warning(message, f"chown root {shlex.quote(str(path))}")
        if not _readable(status, uid):
            yield error(f"the daemon's user {_name(uid)} can't read {path}", f"chmod a+rX {shlex.quote(str(path))}")


def _state(installation: Installation, state: os.stat_result, uid: int) -> Iterator[Finding]:
    folder = installation.files.folder
    quoted = shlex.quote(str(folder))
    if state.st_uid != uid:
        message = f"{folder} belongs to {_name(state.st_uid)}, but the daemon runs as {_name(uid)}"
        yield error(message, f"chown -R {_name(uid)} {quoted}")
    if state.st_mode & _ACCESS_BY_OTHERS:
        yield warning(f"users other than the owner can enter {folder}, which has private keys", f"chmod 700 {quoted}")
    if exposed := installation.files.exposed_keys():
        message, _, fix = exposed.partition(": run ")
        yield error(message, fix.strip("`"))
    try:
        foreign = sorted(path.name for path in folder.iterdir() if path.stat().st_uid != uid)
    except OSError as problem:
        yield warning(f"{folder} can't be read: {problem.strerror}", "run authd doctor with sudo")
        return
    if foreign:
        message = f"the daemon's user {_name(uid)} does not own {', '.join(foreign)} in {folder}"
        yield error(message, f"chown -R {_name(uid)} {quoted}")


def _kubeconfig(installation: Installation) -> Iterator[Finding]:
    path = installation.kubeconfig
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # the certificate's check reports it
    if mode & _WRITE_BY_OTHERS:
        message = f"users other than the owner can write {path}, and so choose kube-apiserver's authenticator"
        yield error(message, f"chmod 600 {shlex.quote(str(path))}")
    elif mode & _ACCESS_BY_OTHERS:
        yield warning(f"users other than the owner can read {path}", f"chmod 600 {shlex.quote(str(path))}")


def _readable(status: os.stat_result, uid: int) -> bool:
    """Return whether a user can read a file or enter a folder. Supplementary groups are ignored."""
    if uid == 0 or status.st_mode & stat.S_IROTH:
        return True
    if status.st_uid == uid:
        return bool(status.st_mode & stat.S_IRUSR)
    return bool(status.st_mode & stat.S_IRGRP) and status.st_gid == _group(uid)


def _group(uid: int) -> int | None:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid  # a dynamic user of systemd has a group with the same number


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
