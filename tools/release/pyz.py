"""Write authd-token as a single file, for hosts without pip.

    python -m tools.release.pyz OUTPUT [--python PATH …]

The file is a shell script followed by a zip archive:

- `authd/`: the client's sources. `python3 FILE` runs them through `__main__.py`.
- `cpython-3xx/`: bytecode of the modules that every kubectl call imports, for each given interpreter. Without the
  option these are all supported ones on PATH. Other versions compile the sources at each start.
- `interpreters.txt`: the full versions of these interpreters, one a line. Other versions may compile differently.
- `packages.zip`: botocore and its dependencies, from this environment and in the versions of requirements.txt, without
  the services that a login never calls. `authd.client.bundle` unpacks them if credentials need them.

The result is the same for the same sources, packages and interpreters.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from authd import __version__
from authd.client.bundle import DIGEST, PACKAGES
from tools.release import sbom

ROOT = Path(__file__).parents[2]
#: Python's minor versions that docs/support.md names.
MINORS = (11, 12, 13, 14)
#: The client's imports, with their dependencies. PyYAML works without its C extension, which is left out.
BUNDLED = ("botocore", "jmespath", "python-dateutil", "pyyaml", "six", "urllib3")
#: The services that a login calls. botocore has some 400 others.
_SERVICES = ("signin", "sso", "sso-oidc", "sts")
INTERPRETERS = "interpreters.txt"
#: The time of every entry: the earliest that an archive can have.
_TIME = (1980, 1, 1, 0, 0, 0)

_SCRIPT = """#!/bin/sh
# authd-token {version}, kubectl's credential plugin for AWS IAM, as a single file: a zip archive follows.
# AUTHD_PYTHON names another interpreter than python3. It starts bare: -I ignores the working directory and PYTHON*
# variables, -S skips the search for installed packages, and -X utf8 makes names independent of the locale.
python=${{AUTHD_PYTHON-}}
if [ -z "$python" ]; then
    for python in python3 {versions} python3; do
        command -v "$python" >/dev/null && break
    done
fi
if ! command -v "$python" >/dev/null; then
    echo "authd-token: there is no $python on PATH; install Python 3.11 or later, or name it in AUTHD_PYTHON" >&2
    exit 1
fi
exec "$python" -I -S -X utf8 -c '
import sys, _signal
here = sys.argv.pop(1)
if sys.version_info < (3, 11):
    import os, shutil
    newer = [shutil.which(name) for name in "{versions}".split()]
    if "AUTHD_PYTHON" in os.environ or not any(newer):
        sys.exit("authd-token: %s is Python %d.%d; install Python 3.11 or later, or name it in AUTHD_PYTHON"
                 % (sys.executable, sys.version_info[0], sys.version_info[1]))
    os.environ["AUTHD_PYTHON"] = next(filter(None, newer))
    os.execv("/bin/sh", ["/bin/sh", here] + sys.argv[1:])
if _signal.getsignal(2) != _signal.SIG_IGN:
    _signal.signal(2, _signal.SIG_DFL)  # Ctrl-C ends the process without a traceback.
compiled = here + "/" + sys.implementation.cache_tag
sys.path[:0] = compiled, here
try:
    from authd.client.entry import run
except ImportError:
    sys.exit("authd-token: %s is damaged; download it again and compare its SHA-256" % here)
for name in "authd", "authd.client":
    sys.modules[name].__path__ = ["%s/%s" % (root, name.replace(".", "/")) for root in (compiled, here)]
run()' "$0" "$@"
exit
"""
#: Run by each interpreter. Reads the sources as JSON, and writes the contents of .pyc files (PEP 552, unchecked).
_COMPILER = """
import base64, importlib.util, json, marshal, sys
flags = (1).to_bytes(4, "little") + bytes(8)
made = {}
for name, source in json.load(sys.stdin).items():
    code = compile(source, "authd-token/" + name, "exec", dont_inherit=True, optimize=2)
    made[name + "c"] = base64.b64encode(importlib.util.MAGIC_NUMBER + flags + marshal.dumps(code)).decode()
json.dump([sys.implementation.cache_tag, sys.version.split()[0], made], sys.stdout)
"""


class Bytecode:
    """The compiled modules of one interpreter. `tag` is its cache tag, such as cpython-311."""

    def __init__(self, python: str, sources: dict[str, bytes]) -> None:
        """Compile the sources. Raises `CalledProcessError` if the interpreter does not start."""
        text = json.dumps({name: source.decode() for name, source in sources.items()})
        command = [python, "-I", "-S", "-X", "utf8", "-c", _COMPILER]
        ended = subprocess.run(command, input=text, capture_output=True, check=True, text=True)
        self.tag, self.version, made = json.loads(ended.stdout)
        self.entries = {f"{self.tag}/{name}": base64.b64decode(content) for name, content in made.items()}


def sources() -> dict[str, bytes]:
    """Return the client's modules by their path."""
    paths = [ROOT / "authd" / "__init__.py", *sorted((ROOT / "authd" / "client").rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}


def fast_sources() -> dict[str, bytes]:
    """Return the modules that every call imports."""
    always = ("authd/__init__.py", "authd/client/__init__.py", "authd/client/entry.py")
    return {name: text for name, text in sources().items() if name in always or "/fast/" in name}


def interpreters() -> list[str]:
    """Return this interpreter and those of the other supported versions on PATH."""
    own = sys.version_info.minor
    names = {minor: shutil.which(f"python3.{minor}") for minor in MINORS} | {own: sys.executable}
    return [path for minor, path in sorted(names.items()) if path and _runs(path, minor)]


def _runs(python: str, minor: int) -> bool:
    # The launcher of a version manager can exist without its interpreter.
    check = f"import sys; sys.exit(sys.version_info[:2] != (3, {minor}))"
    return subprocess.run([python, "-I", "-S", "-c", check], capture_output=True, check=False).returncode == 0


def packages() -> bytes:
    """Return the archive of the bundled packages. Raises `LookupError` for one that differs from its pin or RECORD."""
    pinned = {pin.name: pin.version for pin in sbom.pins((ROOT / "requirements.txt").read_text("utf-8"))}
    entries: dict[str, bytes] = {}
    for name in BUNDLED:
        installed = metadata.distribution(name)
        if installed.version != pinned[name]:
            raise LookupError(f"{name} {installed.version} is installed, but requirements.txt has {pinned[name]}")
        for file in installed.files or ():
            if _is_needed(file.as_posix()):
                entries[file.as_posix()] = _content(file)
    return archive(entries)


def _is_needed(path: str) -> bool:
    """Return whether a login can need a file of a package: a module, data of its services, or a licence."""
    if ".dist-info/" in path:
        return "licen" in path.lower() or path.endswith("/METADATA")
    if "botocore/data/" in path:
        service = path.partition("botocore/data/")[2].split("/")
        return len(service) == 1 or (service[0] in _SERVICES and "examples" not in service[-1])
    return not path.startswith(("..", "_yaml/")) and path.endswith((".py", ".pem"))


def _content(file: metadata.PackagePath) -> bytes:
    content = file.read_binary()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    if file.hash is None or file.hash.value != digest:
        raise LookupError(f"{file} differs from what its package installed: make a new .venv")
    return content


def archive(entries: dict[str, bytes], stored: Iterable[str] = ()) -> bytes:
    """Return a zip archive with the entries in the order of their names, compressed except for those in `stored`."""
    kept = set(stored)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, content in sorted(entries.items()):
            info = zipfile.ZipInfo(name, _TIME)
            info.external_attr = 0o100644 << 16
            info.create_system = 3
            info.compress_type = zipfile.ZIP_STORED if name in kept else zipfile.ZIP_DEFLATED
            target.writestr(info, content)
    return buffer.getvalue()


def build(pythons: Iterable[str]) -> tuple[bytes, list[Bytecode]]:
    """Return the file and the bytecode in it."""
    compiled = [Bytecode(python, fast_sources()) for python in pythons]
    bundled = packages()
    plain = {PACKAGES: bundled, DIGEST: hashlib.sha256(bundled).hexdigest().encode()}
    for each in compiled:
        plain |= each.entries  # stored, because each call would have to import zlib
    main = {
        "__main__.py": b"from authd.client.entry import run\n\nrun()\n",
        INTERPRETERS: "".join(f"CPython-{each.version}\n" for each in compiled).encode(),
    }
    versions = " ".join(f"python3.{minor}" for minor in reversed(MINORS))
    script = _SCRIPT.format(version=__version__, versions=versions).encode()
    return script + archive({**sources(), **main, **plain}, plain), compiled


def main() -> int:
    """Write the file, and print its size and interpreters."""
    parser = argparse.ArgumentParser(description="Write authd-token as a single file.")
    parser.add_argument("output", type=Path, metavar="OUTPUT")
    parser.add_argument(
        "--python", action="append", metavar="PATH", help="compile for this interpreter; may be repeated"
    )
    options = parser.parse_args()
    content, compiled = build(options.python or interpreters())
    options.output.write_bytes(content)
    options.output.chmod(0o755)
    versions = ", ".join(each.version for each in compiled)
    print(f"{options.output}: {len(content) // 1000} kB, bytecode for Python {versions}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
