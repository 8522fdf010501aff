"""Run the steps of the Containerfile without a container engine, and start the result as its user, read-only.

    python tools/release/try_image.py BASE WORK [CERTIFICATES]

BASE is a root of the release that the Containerfile names, from `debootstrap --variant=minbase`. WORK is a new folder
for the stages. Needs root. Supports the instructions of our Containerfile: FROM, ARG, RUN, COPY, ENV, WORKDIR, USER,
ENTRYPOINT and CMD. CERTIFICATES is a PEM file for pip, if the index is behind a proxy with a CA of its own.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Excluded from the build context, as by .containerignore.
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "dist", "build", "site")


@dataclass(slots=True)
class Stage:
    """One stage: its root, and the image's configuration."""

    root: Path
    environ: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    user: str = "0:0"
    folder: str = "/"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def run(self, command: list[str], user: str = "0:0") -> subprocess.CompletedProcess[str]:
        """Run a command in the root."""
        environ = [f"{name}={value}" for name, value in self.environ.items()]
        inside = ["env", "-i", *environ, "sh", "-c", f'cd {self.folder} && exec "$@"', "sh", *command]
        chroot = ["chroot", f"--userspec={user}", str(self.root), *inside]
        return subprocess.run(chroot, check=False, capture_output=True, text=True)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield every instruction of a Containerfile with its arguments, continued lines joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", text).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, arguments = line.partition(" ")
        yield name.upper(), arguments.strip()


def build(text: str, base: Path, work: Path, certificates: Path | None = None) -> Stage:
    """Run every step, and return the last stage. Raises `RuntimeError` for a step that fails."""
    stages: dict[str, Stage] = {}
    stage = Stage(root=base)
    for name, arguments in instructions(text):
        if name == "FROM":
            image, _, alias = arguments.partition(" AS ")
            stage = Stage(root=work / (alias or "image"))
            source = stages[image].root if image in stages else base
            subprocess.run(["cp", "-a", str(source), str(stage.root)], check=True)
            stages[alias] = stage
            if certificates is not None:
                shutil.copy(certificates, stage.root / "tmp" / "certificates.pem")
                stage.environ["PIP_CERT"] = "/tmp/certificates.pem"
        elif name == "RUN":
            ended = stage.run(["sh", "-c", arguments])
            if ended.returncode:
                raise RuntimeError(f"RUN {arguments[:60]}…: {(ended.stderr or ended.stdout)[-2000:]}")
        elif name == "COPY":
            _copy(arguments.split(), stage, stages)
        else:
            _configure(name, arguments, stage)
    return stage


def _copy(words: list[str], stage: Stage, stages: dict[str, Stage]) -> None:
    source, target = words[-2], stage.root / words[-1].lstrip("/")
    if words[0].startswith("--from="):
        origin = stages[words[0].removeprefix("--from=")].root / source.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", f"{origin}/.", str(target)], check=True)
    else:
        shutil.copytree(ROOT / source, target, ignore=_LEFT_OUT)


def _configure(name: str, arguments: str, stage: Stage) -> None:
    match name:
        case "ENV" | "ARG":  # ARG has its default value
            stage.environ |= dict(pair.split("=", 1) for pair in arguments.split())
        case "WORKDIR":
            stage.folder = arguments
        case "USER":
            stage.user = arguments
        case "ENTRYPOINT":
            stage.entrypoint = tuple(json.loads(arguments))
        case "CMD":
            stage.command = tuple(json.loads(arguments))
        case _:
            raise RuntimeError(f"unknown instruction {name}: teach it to tools/release/try_image.py")


def faults(stage: Stage) -> Iterator[str]:
    """Yield the errors of the image: missing commands, a wrong user, and files that the user can write."""
    for user in (stage.user, "10000:10000"):
        for command in ([*stage.entrypoint, "version"], ["aws-iam-authenticator", "version"],
                        ["heptio-authenticator-aws", "version"], ["authd-token", "--version"]):  # fmt: skip
            ended = stage.run(command, user)
            if ended.returncode:
                yield f"{' '.join(command)} as {user}: {ended.stderr.strip()[-300:]}"
    if stage.user.startswith("0:"):
        yield "the image's user is root"
    if stage.run([f"{stage.environ['PATH'].partition(':')[0]}/python3", "-c", "import pip"]).returncode == 0:
        yield "the image has pip, which the daemon does not need"
    writable = stage.run(["find", "/opt/authd", "-writable", "-not", "-type", "l"], stage.user)
    if writable.stdout:
        yield f"the image's user can write {writable.stdout.splitlines()[0]}"
    started = stage.run([*stage.entrypoint, *stage.command], stage.user)
    if "/etc/authd/config.yaml" not in started.stderr + started.stdout:
        yield f"without settings it does not name the missing file: {started.stderr.strip()[-300:]}"


#: Runs in its own mount namespace. Only the volume of the daemon's state is writable.
_READ_ONLY = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t tmpfs -o "mode=0700,uid=${2%:*},gid=${2#*:}" tmpfs "$1/var/lib/authd"
root=$1 user=$2
shift 2
exec chroot --userspec="$user" "$root" env -i "$@"
"""


def read_only_faults(stage: Stage, seconds: float = 60) -> Iterator[str]:
    """Start the daemon on a read-only root, and yield an error if it does not become ready or the root is writable."""
    (stage.root / "var" / "lib" / "authd").mkdir(exist_ok=True)
    port = free_port()
    files = ["--state-dir=/var/lib/authd", "--generate-kubeconfig=/var/lib/authd/kubeconfig.yaml"]
    daemon = [*stage.entrypoint, "server", "--cluster-id=c", "--port=0", f"--health-port={port}", *files]
    wrapped = ["unshare", "--mount", "sh", "-c", _READ_ONLY, "sh", str(stage.root), stage.user]
    environ = [f"{name}={value}" for name, value in stage.environ.items()]
    touched = subprocess.run([*wrapped, "touch", "/tmp/x"], check=False, capture_output=True, text=True)
    if "Read-only file system" not in touched.stderr:
        yield f"the root is not read-only: {touched.stderr.strip()[-300:]}"
    command = [*wrapped, *environ, *daemon]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        ready = _becomes_ready(process, port, seconds)
        process.terminate()
        log, _ = process.communicate()
    if not ready:
        yield f"it is not ready on a read-only root: {log.strip()[-300:]}"


def free_port() -> int:
    """Return a free port of loopback. The root shares the host's network."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _becomes_ready(process: subprocess.Popen[str], port: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
            return True
        time.sleep(0.2)
    return False


def main() -> int:
    """Build and check the image, and print the errors."""
    base, work = map(Path, sys.argv[1:3])
    work.mkdir(parents=True)
    certificates = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    stage = build((ROOT / "Containerfile").read_text("utf-8"), base, work, certificates)
    found = [*faults(stage), *read_only_faults(stage)]
    size = sum(path.lstat().st_size for path in (stage.root / "opt" / "authd").rglob("*")) // 1_000_000
    print("\n".join(found) or f"the image is good: /opt/authd has {size} MB, and runs as {stage.user}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
