"""Build the Debian package: the daemon and the plugin with their own copies of all Python packages.

    python tools/release/deb.py [--output dist] [--arch amd64] [--requirements requirements.txt] WHEEL

The package holds a virtual environment in /usr/lib/authd for each of PYTHONS, so that it installs on each Debian
release with one of them and survives the upgrade to the next. Files that all of them share are stored once. Needs pip,
dpkg-deb and an index with the packages of the requirements.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
from email.utils import formatdate
from pathlib import Path

from authd import __version__
from tools.release import man

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / "deploy" / "debian"
PREFIX = Path("usr/lib/authd")
#: Debian 12, Ubuntu 24.04, Debian 13.
PYTHONS = ("3.11", "3.12", "3.13")
#: The wheels' platforms by Debian's architecture. Debian 12 has glibc 2.36.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_GLIBCS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
_MAINTAINER = "The authd authors <authors@authd.example.com>"
#: The time of every file, by hatchling's default: the same input gives the same package.
EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "1580601600"))

#: If settings existed once, the daemon starts without them, fails, and is restarted until they are back. If a condition
#: prevented the start instead, the first connection would stop the socket too, by its TriggerLimitBurst=.
_CONDITIONS = """\
# Without settings there is no daemon, until they have been in force once.
ConditionPathExists=|/etc/authd/config.yaml
ConditionPathExists=|/var/lib/authd/last-good.yaml
"""

_COMMAND = """#!/{prefix}/bin/python3 -I
import sys

from {module} import {function}

sys.exit({function}())
"""


def unit(text: str) -> str:
    """Return a unit of systemd/ for this package: its own folder and user, and no start without settings."""
    text = text.replace("/opt/authd", f"/{PREFIX}")
    text = re.sub(r"(?m)^# The user exists only(?:.*\n)*?DynamicUser=yes\n", "# The package makes this user.\n", text)
    return text.replace("[Unit]\n", f"[Unit]\n{_CONDITIONS}", 1)


def control(arch: str, size: int) -> str:
    """Return the control file. `size` is in KiB."""
    newest = int(PYTHONS[-1].partition(".")[2])
    return f"""Package: authd
Version: {__version__}
Architecture: {arch}
Maintainer: {_MAINTAINER}
Installed-Size: {size}
Depends: python3 (>= {PYTHONS[0]}), python3 (<< 3.{newest + 1}), libc6 (>= 2.34), adduser, ca-certificates
Section: admin
Priority: optional
Homepage: https://authd.example.com/
Description: log in to Kubernetes with AWS IAM
 authd is a token webhook for kube-apiserver. It sends the presigned
 GetCallerIdentity request in a bearer token to AWS STS, and maps the
 caller's role or user to a user name and groups of the cluster.
 .
 The package has the daemon with its systemd units, the authd command
 and authd-token, the credential plugin for kubectl.
"""


def install_packages(stage: Path, wheel: Path, machine: str, locked: Path) -> None:
    """Install the wheel and the packages in `locked` for each Python version, and link equal files."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    requirements = stage.parent / "requirements.txt"
    pinned = locked.read_text("utf-8")
    requirements.write_text(f"{pinned}\n{wheel.resolve()} --hash=sha256:{digest}\n")
    platforms = [f"--platform={glibc}_{machine}" for glibc in _GLIBCS]
    sites = []
    for version in PYTHONS:
        site = stage / PREFIX / "lib" / f"python{version}" / "site-packages"
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--no-compile",
            "--only-binary=:all:", f"--python-version={version}", "--implementation=cp", *platforms,
            f"--target={site}", f"--requirement={requirements}",
        ]  # fmt: skip
        subprocess.run(command, check=True)
        shutil.rmtree(site / "bin")
        for folder in [*site.rglob("newsfragments")]:  # contain only git's own files
            shutil.rmtree(folder)
        sites.append(site)
    for site in sites[1:]:
        _share(sites[0], site)


def _share(first: Path, other: Path) -> None:
    """Replace each entry of `other` that is equal in `first` by a link."""
    for entry in sorted(other.iterdir()):
        twin = first / entry.name
        if _content(entry) == _content(twin):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            entry.symlink_to(Path("..", "..", first.parent.name, first.name, entry.name))


def _content(path: Path) -> dict[str, bytes]:
    """Return the digest of a file, or those of all files in a folder."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return {str(each.relative_to(path)): hashlib.sha256(each.read_bytes()).digest() for each in files}


def install_commands(stage: Path) -> None:
    """Add the link to the interpreter, the commands and their links in /usr/bin."""
    folder = stage / PREFIX / "bin"
    folder.mkdir(parents=True)
    (stage / PREFIX / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    (folder / "python3").symlink_to("../../../bin/python3")
    for name, module, function in (("authd", "authd.cli.main", "main"), ("twistd", "twisted.scripts.twistd", "run")):
        _write(folder / name, _COMMAND.format(prefix=PREFIX, module=module, function=function), 0o755)
    _write(folder / "authd-token", (ROOT / "authd" / "client" / "authd-token").read_text("utf-8"), 0o755)
    (stage / "usr" / "bin").mkdir()
    for name in ("authd", "authd-token"):
        (stage / "usr" / "bin" / name).symlink_to(f"../lib/authd/bin/{name}")


def install_files(stage: Path) -> None:
    """Add units, manual pages, documents and the maintainer scripts."""
    for name in ("authd.service", "authd.socket"):
        text = unit((ROOT / "systemd" / name).read_text("utf-8"))
        _write(stage / "usr" / "lib" / "systemd" / "system" / name, text)
    (stage / "etc" / "authd").mkdir(parents=True)
    documents = stage / "usr" / "share" / "doc" / "authd"
    for name in ("README.md", "CHANGELOG.md", "SECURITY.md"):
        _compress(documents / f"{name}.gz", (ROOT / name).read_text("utf-8"))
    _compress(documents / "changelog.gz", changelog())
    shutil.copy(DEBIAN / "copyright", documents / "copyright")
    _write(documents / "examples" / "config.yaml", (DEBIAN / "config.yaml").read_text("utf-8"))
    for name, text in man.pages().items():
        _compress(stage / "usr" / "share" / "man" / f"man{name[-1]}" / f"{name}.gz", text)
    _write(stage / "usr/share/lintian/overrides/authd", (DEBIAN / "lintian-overrides").read_text("utf-8"))
    _write(stage / "usr/share/python3/runtime.d/authd.rtupdate", (DEBIAN / "rtupdate").read_text("utf-8"), 0o755)
    for name in ("postinst", "prerm", "postrm"):
        _write(stage / "DEBIAN" / name, (DEBIAN / name).read_text("utf-8"), 0o755)


def changelog() -> str:
    """Return Debian's changelog, which refers to CHANGELOG.md."""
    return (
        f"authd ({__version__}) stable; urgency=medium\n\n"
        f"  * See /usr/share/doc/authd/CHANGELOG.md.gz.\n\n"
        f" -- {_MAINTAINER}  {formatdate(EPOCH)}\n"
    )


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)


def _compress(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=EPOCH))


def finish(stage: Path, arch: str) -> None:
    """Set modes and times, and write the control file and the checksums."""
    files = sorted(path for path in stage.rglob("*") if path.is_file() and not path.is_symlink())
    payload = [path for path in files if "DEBIAN" not in path.relative_to(stage).parts[:1]]
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(stage)}\n" for path in payload]
    _write(stage / "DEBIAN" / "md5sums", "".join(sums))
    _write(stage / "DEBIAN" / "control", control(arch, sum(path.stat().st_size for path in payload) // 1024))
    for path in [stage, *stage.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or _is_program(path, stage) else 0o644)
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def _is_program(path: Path, stage: Path) -> bool:
    folder = path.relative_to(stage).parent
    return folder in {PREFIX / "bin", Path("usr/share/python3/runtime.d")} or (
        folder == Path("DEBIAN") and path.name not in {"control", "md5sums"}
    )


def main() -> int:
    """Build the package and print its path."""
    parser = argparse.ArgumentParser(description="Build the Debian package.")
    parser.add_argument("wheel", type=Path, metavar="WHEEL", help="authd's wheel, from `make dist`")
    parser.add_argument("--arch", choices=sorted(MACHINES), default="amd64", help="Debian's architecture")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder for the package")
    parser.add_argument(
        "--requirements", type=Path, default=ROOT / "requirements.txt",
        help="the packages with their hashes; requirements-otel.txt has those for server.tracing too",
    )  # fmt: skip
    options = parser.parse_args()
    stage = ROOT / "build" / "deb" / options.arch
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    install_packages(stage, options.wheel, MACHINES[options.arch], options.requirements)
    install_commands(stage)
    install_files(stage)
    finish(stage, options.arch)
    package = options.output / f"authd_{__version__}_{options.arch}.deb"
    environ = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zxz", "-z4", "--build", stage, package], check=True, env=environ,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    print(package)
    return 0


if __name__ == "__main__":
    sys.exit(main())
