"""Try the installations that need no systemd up to a first login, in new roots of Debian and Ubuntu.

    python -m tools.release.try_ways [SUITE …] [--way demo|wheel|image]

`demo` is the tutorial's `make demo` in a clone. `wheel` installs the wheel into a virtual environment, starts the
daemon and shows a login. `image` runs the steps of the Containerfile and shows a login as the image's user. Prints the
seconds since the start of each installation. Needs root, debootstrap and a network. The roots are kept in
`~/.cache/authd-boot`, outside the tree, and every run has its own copy.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tools.release import try_image

ROOT = Path(__file__).parents[2]
_UBUNTU = (
    "http://archive.ubuntu.com/ubuntu",
    "main,universe",
    "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
    "gutsy",
)
_DEBIAN = ("http://deb.debian.org/debian", "main", "/usr/share/keyrings/debian-archive-keyring.gpg", "sid")
#: The mirror, components, keyring and script of debootstrap for each suite.
SUITES = {"bookworm": _DEBIAN, "trixie": _DEBIAN, "noble": _UBUNTU}
#: The release that the Containerfile names.
_IMAGE_SUITE = "bookworm"
#: The CA certificates for an index behind a proxy with its own CA.
_CERTIFICATES = os.environ.get("PIP_CERT")

_SETTINGS = """\
clusterID: my-cluster.example.com
server:
  healthPort: {port}
  mapRoles:
  - roleARN: arn:aws:iam::111122223333:role/KubernetesAdmin
    username: "admin:{{{{SessionName}}}}"
    groups: [system:masters]
"""
_PACKAGES = "apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates"
#: Writes the settings, starts the daemon and waits until it is ready.
_START = """\
authd check /etc/authd/config.yaml
authd init -c /etc/authd/config.yaml
twistd --nodaemon --pidfile= authd --config /etc/authd/config.yaml --kubeconfig-pregenerated --port 0 >/tmp/log 2>&1 &
daemon=$!
ready=
for _ in $(seq 300); do
    if python3 -c 'import urllib.request as r; r.urlopen("http://127.0.0.1:PORT/readyz", timeout=5)' 2>/dev/null; then
        ready=1
        break
    fi
    kill -0 $daemon || break
    sleep 0.2
done
[ -n "$ready" ] || { cat /tmp/log; exit 1; }
kill $daemon
"""


@dataclass(slots=True, kw_only=True)
class Try:
    """One installation in its own root."""

    suite: str
    way: str
    root: Path
    started: float = field(default_factory=time.monotonic)

    def run(self, script: str) -> None:
        """Run a script as root with a clean environment. Raises `RuntimeError` with its last lines if it fails."""
        environ = ["PATH=/opt/authd/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"]
        environ += ["DEBIAN_FRONTEND=noninteractive", *([f"PIP_CERT={self._certificates()}"] if _CERTIFICATES else [])]
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.root}/proc", "chroot",
             str(self.root), "env", "-i", *environ, "sh", "-ec", script],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{self.suite}, {self.way}: exit status {done.returncode}\n{done.stdout[-3000:]}")

    def step(self, name: str) -> None:
        """Print a completed step."""
        print(f"{self.suite}: {self.way}: {time.monotonic() - self.started:.0f} s: {name}", flush=True)

    def _certificates(self) -> str:
        inside = self.root / "tmp" / "certificates.pem"
        if not inside.exists():
            shutil.copy(str(_CERTIFICATES), inside)
        return "/tmp/certificates.pem"


def base(suite: str) -> Path:
    """Return the root of a suite. The first call creates it with debootstrap."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    root = caches / "authd-boot" / suite
    if not root.exists():
        mirror, components, keyring, script = SUITES[suite]
        unfinished = root.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--components={components}", f"--keyring={keyring}", suite,
             str(unfinished), mirror, f"/usr/share/debootstrap/scripts/{script}"],
            stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        unfinished.rename(root)
    return root


def demo(this: Try) -> None:
    """Follow the tutorial: a clone and `make demo`."""
    clone = this.root / "root" / "authd"
    clone.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "-x", "-C", str(clone)], input=archive.stdout, check=True)
    this.run(f"{_PACKAGES} git make python3-venv")
    this.step("packages")
    this.run("cd /root/authd && make demo")
    this.step("first login")


def wheel(this: Try) -> None:
    """Install the wheel with the daemon's packages in a virtual environment."""
    built, port = this.root / "root" / "dist", try_image.free_port()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    shutil.copy(ROOT / "constraints.txt", built)
    (this.root / "etc" / "authd").mkdir()
    (this.root / "etc" / "authd" / "config.yaml").write_text(_SETTINGS.format(port=port))
    this.run(f"{_PACKAGES} python3-venv")
    this.step("packages")
    install = "pip install -q --constraint constraints.txt $(ls *.whl)[daemon]"
    this.run(f"python3 -m venv /opt/authd && cd /root/dist && {install}")
    this.step("installed")
    this.run(_START.replace("PORT", str(port)))
    this.step("ready")
    this.run("authd demo")
    this.step("first login")


def image(this: Try) -> None:
    """Run the Containerfile's steps, and show a login as its user."""
    certificates = Path(_CERTIFICATES) if _CERTIFICATES else None
    work = this.root.with_name("image")
    work.mkdir()
    stage = try_image.build((ROOT / "Containerfile").read_text("utf-8"), this.root, work, certificates)
    if found := list(try_image.faults(stage)):
        raise RuntimeError(f"{this.suite}, {this.way}: {found[0]}")
    this.step("image")
    shown = stage.run([*stage.entrypoint, "demo"], stage.user)
    if shown.returncode:
        raise RuntimeError(f"{this.suite}, {this.way}: {(shown.stderr or shown.stdout)[-3000:]}")
    this.step("first login")


WAYS: dict[str, Callable[[Try], None]] = {function.__name__: function for function in (demo, wheel, image)}


def main() -> int:
    """Try each installation in each suite. Returns 1 if one fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.release.try_ways", description=__doc__.splitlines()[0])
    parser.add_argument("suite", nargs="*", help=f"{', '.join(SUITES)} (all)")
    parser.add_argument("--way", choices=WAYS, action="append", help="the way (all)")
    options = parser.parse_args()
    failed = False
    for suite in options.suite or SUITES:
        for way in options.way or [way for way in WAYS if way != "image" or suite == _IMAGE_SUITE]:
            with tempfile.TemporaryDirectory(prefix="authd-way-") as folder:
                root = Path(folder) / "root"
                subprocess.run(["cp", "-a", str(base(suite)), str(root)], check=True)
                try:
                    WAYS[way](Try(suite=suite, way=way, root=root))
                except (RuntimeError, subprocess.CalledProcessError) as error:
                    failed = True
                    print(f"FAILED: {error}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
