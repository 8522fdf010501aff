"""A container with systemd as its init process, started by systemd-nspawn, in a network namespace with loopback only."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.integration.rig.polling import wait_until

_CGROUPS = Path("/sys/fs/cgroup")
#: The host's CA certificates, for an index behind a proxy with its own CA.
_HOST_CAS = Path("/etc/ssl/certs/ca-certificates.crt")
_CAS = "root/host-cas.pem"
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_CERT": f"/{_CAS}",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
}
_BOOT_SECONDS = 180.0
_COMMAND_SECONDS = 900.0


def missing_program() -> str:
    """Return the reason why no machine can boot here, empty if one can."""
    if os.geteuid() != 0:
        return "needs root"
    for program, package in (("systemd-nspawn", "systemd-container"), ("debootstrap", "debootstrap")):
        if shutil.which(program) is None:
            return f"needs {program}: apt install {package}"
    return ""


class Machine:
    """A context manager that boots a root. `binds` are read-only paths of the host by their path inside."""

    def __init__(self, root: Path, name: str, binds: Mapping[str, Path], caches: Mapping[str, Path]) -> None:
        self.root = root
        self.name = name
        self._binds = [f"--bind-ro={source}:{place}" for place, source in binds.items()]
        self._binds += [f"--bind={source}:{place}" for place, source in caches.items()]
        self._console = root.parent / "console"
        self._init = 0
        shutil.copy(_HOST_CAS, root / _CAS)

    def __enter__(self) -> Self:
        """Boot, and return once systemd has started all units. Raises `AssertionError` with the end of the console."""
        command = [
            "systemd-nspawn", "--quiet", "--boot", f"--directory={self.root}", f"--machine={self.name}",
            "--private-network", "--register=no", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
            "--console=read-only", *self._binds,
        ]  # fmt: skip
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                _in_own_cgroup(self.name, command),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        try:
            self._init = wait_until(self._find_init, f"{self.name} to start", _BOOT_SECONDS)
            wait_until(self._is_up, f"{self.name} to boot: {self.console()}", _BOOT_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Shut down."""
        self._process.terminate()  # nspawn asks the container's systemd to power off
        try:
            self._process.wait(90)
        except subprocess.TimeoutExpired:
            os.kill(self._init or self._process.pid, signal.SIGKILL)
            self._process.wait()
        for folder in sorted([*_cgroup(self.name).rglob("*/"), _cgroup(self.name)], reverse=True):
            with suppress(OSError):  # systemd removes its own cgroup
                folder.rmdir()

    def reboot(self) -> None:
        """Shut down, and boot again."""
        self.__exit__()
        self.__enter__()

    def add_service(self, name: str, command: str, options: Sequence[str] = ()) -> None:
        """Start a service of the test now and at each boot. Replaces an existing one."""
        lines = ["[Service]", f"ExecStart={command}", "Restart=on-failure", *options]
        text = "\n".join([*lines, "[Install]", "WantedBy=multi-user.target", ""])
        (self.root / f"etc/systemd/system/{name}.service").write_text(text)
        self.run(f"systemctl daemon-reload; systemctl --quiet enable {name}; systemctl restart {name}")

    def console(self) -> str:
        """Return the end of the console's output."""
        return self._console.read_text(errors="replace")[-2000:]

    def command(self, *words: str, network: bool = False, env: Mapping[str, str] | None = None) -> list[str]:
        """Return the command that runs a program in the machine. With `network`, it uses the host's network."""
        spaces = ["--mount", "--uts", "--ipc", "--pid", *([] if network else ["--net"])]
        variables = [f"{name}={value}" for name, value in {**_ENVIRONMENT, **(env or {})}.items()]
        enter = ["nsenter", f"--target={self._init}", *spaces, "--root", "--wd", "--"]
        return [*enter, "/usr/bin/env", "-i", *variables, *words]

    def try_to(self, script: str, *, network: bool = False, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a bash script as root, up to its first failure."""
        return subprocess.run(
            self.command("bash", "-euc", f"cd /root\n{script}", network=network, env=env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )

    def run(self, script: str, *, network: bool = False, **env: str) -> str:
        """Run a bash script as root, and return its output. Raises `AssertionError` with the output if it fails."""
        done = self.try_to(script, network=network, **env)
        assert done.returncode == 0, (
            f"{script}\nexit status {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
        return done.stdout

    def cpu_seconds(self) -> float:
        """Return the CPU time of the machine's services, and of all commands so far in all machines."""
        commands = resource.getrusage(resource.RUSAGE_CHILDREN)
        place = Path(f"/proc/{self._init}/cgroup").read_text().rpartition("0::/")[2].strip()
        statistics = (_unified() / place).parent / "cpu.stat"
        services = int(statistics.read_text().split()[1]) / 1e6  # the first line is usage_usec
        return commands.ru_utime + commands.ru_stime + services

    def in_network(self, *words: str) -> list[str]:
        """Return the command that runs a host program in the machine's network namespace."""
        return ["nsenter", f"--target={self._init}", "--net", "--", *words]

    def _find_init(self) -> int | None:
        assert self._process.poll() is None, self.console()
        return next((pid for pid in _descendants(self._process.pid) if _is_init(pid)), None)

    def _is_up(self) -> bool:
        assert self._process.poll() is None, self.console()
        state = self.try_to("systemctl is-system-running").stdout.strip()
        return state in {"running", "degraded"}


def _unified() -> Path:
    beside_others = _CGROUPS / "unified"
    return beside_others if beside_others.is_dir() else _CGROUPS


def _cgroup(name: str) -> Path:
    return _unified() / f"authd-boot-{name}-{os.getpid()}"


def _in_own_cgroup(name: str, command: list[str]) -> list[str]:
    """Create a cgroup for nspawn if no systemd runs here that would create it.

    If controllers are in hierarchies of version 1, nspawn sees only the unified hierarchy.
    """
    if Path("/run/systemd/system").exists():
        return command
    folder = _cgroup(name)
    folder.mkdir(exist_ok=True)
    script = 'echo $$ >"$0/cgroup.procs"; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec "$@" --keep-unit'
    return ["unshare", "--mount", "sh", "-c", script, str(folder), *command]


def _descendants(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(child)
            yield from _descendants(int(child))


def _is_init(pid: int) -> bool:
    with suppress(OSError):
        numbers = next(
            line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("NSpid")
        )
        return numbers.split()[1:][-1] == "1" and len(numbers.split()) > 2
    return False
