"""`systemctl` for the units of authd: `systemctl.py FOLDER VERB …` starts or stops a daemon with the settings of FOLDER."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import yaml

_SECONDS = 60


def _stop(pid_file: Path) -> None:
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    pid_file.unlink()
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    for _ in range(_SECONDS * 20):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)


def _start(folder: Path, pid_file: Path) -> int:
    settings = folder / "etc" / "config.yaml"
    command = [
        str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile=", "authd", "--config", str(settings),
        "--kubeconfig-pregenerated",
    ]  # fmt: skip
    with (folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    pid_file.write_text(str(process.pid))
    port = yaml.safe_load(settings.read_text())["server"]["healthPort"]
    for _ in range(_SECONDS * 10):
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return 0
        if process.poll() is not None:
            break
        time.sleep(0.1)
    sys.stderr.write((folder / "daemon.log").read_text()[-2000:])
    return 1


def main() -> int:
    """Run a systemctl command. Units of other programs do not exist."""
    folder, verb, *units = sys.argv[1:]
    if not any(unit.partition(".")[0] == "authd" for unit in units):
        sys.stderr.write(f"Unit {' '.join(units)} not found.\n")
        return 5
    pid_file = Path(folder) / "daemon.pid"
    if verb != "start":
        _stop(pid_file)
    return 0 if verb == "stop" or pid_file.exists() else _start(Path(folder), pid_file)


if __name__ == "__main__":
    sys.exit(main())
