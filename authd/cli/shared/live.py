"""Queries the running daemon over its status socket."""

from __future__ import annotations

import argparse
import json
import socket
from pathlib import Path
from typing import Any

from authd.cli.shared.broken_settings import path_in_broken_file
from authd.cli.shared.errors import CommandError
from authd.cli.shared.settings_file import read_settings
from authd.core.errors import ConfigError
from authd.state.state_dir import StateDir

DEFAULT_CONFIG = "/etc/authd/config.yaml"
DEFAULT_STATE_DIR = "/var/lib/authd"
_TIMEOUT_SECONDS = 10.0
_MAX_BYTES = 16 << 20


class DaemonNotRunning(CommandError):
    """No daemon listens on the status socket."""


def add_daemon_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that find the daemon's state directory."""
    add_config_option(parser)
    parser.add_argument(
        "--state-dir", metavar="DIR", help="the daemon's state directory, if it isn't the settings' stateDir"
    )


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the settings file."""
    parser.add_argument(
        "-c", "--config", metavar="FILE", default=DEFAULT_CONFIG, help="the settings file (%(default)s)"
    )


def socket_path(config: str, state_dir: str | None) -> Path:
    """Return the status socket of the daemon with this settings file, which may be broken."""
    if state_dir is None:
        try:
            state_dir = read_settings(config, {}).settings.state_dir
        except (ConfigError, CommandError):
            state_dir = path_in_broken_file(config, "stateDir", DEFAULT_STATE_DIR)
    return StateDir(folder=Path(state_dir)).status_socket


def ask(path: Path, query: str, **members: str) -> dict[str, Any]:
    """Send a query and return the response. Raises `DaemonNotRunning`, and `CommandError` for any other fault."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT_SECONDS)
            connection.connect(str(path))
            connection.sendall(json.dumps({"query": query, **members}).encode() + b"\n")
            with connection.makefile("rb") as stream:
                response = json.loads(stream.read(_MAX_BYTES))
    except (FileNotFoundError, ConnectionRefusedError):
        raise DaemonNotRunning(f"{path}: no daemon answers: is it running, and is this its state directory?") from None
    except PermissionError:
        raise CommandError(f"{path}: permission denied: run this as root or as the daemon's user") from None
    except TimeoutError:
        message = f"{path}: the daemon did not answer within {_TIMEOUT_SECONDS:g} seconds: see its log, or restart it"
        raise CommandError(message) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "an incomplete response"
        raise CommandError(f"{path}: the daemon did not answer: {reason}") from None
    if "error" in response:
        raise CommandError(f"the daemon refused the query: {response['error']}")
    return dict(response)
