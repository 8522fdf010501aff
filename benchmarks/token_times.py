"""Kubectl's waiting time for a token: whole processes, compared with the bare interpreter.

Run by `python benchmarks/token.py [--output text|json] [--rounds 30] [--docs docs] [--check]`.
Needs the test dependencies (botocore, awscli, and Twisted for the STS emulator). Every run has a new parent
process, as under kubectl. The commands take turns, so that other work on the machine affects all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_KEY_ID, _SECRET = "AKIAEMULATORALICE000", "alice/secret+key/of+the+emulator/0000000"
_ROLE = "arn:aws:iam::111122223333:role/Admin"
_FLOOR = "python3 -I -S -c pass"
_CACHED = "authd-token: assumed role, cached"
_SDK_SCRIPT = """
import base64, botocore.session
from botocore.model import ServiceId
from botocore.signers import RequestSigner
session = botocore.session.get_session()
emitter = session.get_component("event_emitter")
signer = RequestSigner(ServiceId("sts"), "eu-west-1", "sts", "v4", session.get_credentials(), emitter)
request = {"method": "GET", "url": "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
           "body": {}, "headers": {"x-k8s-aws-id": "prod"}, "context": {}}
url = signer.generate_presigned_url(request, region_name="eu-west-1", expires_in=60, operation_name="")
print("k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("="))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A measured command line. `limit` is its largest ratio to the floor, 0 for no limit."""

    name: str
    command: tuple[str, ...]
    environ: dict[str, str]
    limit: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The median time of a case in milliseconds, and its ratio to the floor's."""

    name: str
    milliseconds: float
    ratio: float
    limit: float


def main() -> int:
    """Measure, print and write the documents. Returns 1 with --check if a limit is exceeded."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder, _emulator() as calls:
        cases = _cases(_installed(Path(folder)), Path(folder), calls)
        results = _measure(cases, options.rounds)
    if options.output == "json":
        document = {"machine": _machine(), "rounds": options.rounds, "results": [asdict(each) for each in results]}
        print(json.dumps(document))
    else:
        print(_table(results))
    if options.docs:
        _write(Path(options.docs), results, options.rounds)
    over = [each for each in results if each.limit and each.ratio > each.limit]
    for each in over:
        print(f"over its limit of {each.limit} times the floor: {each.name}", file=sys.stderr)
    return 1 if over and options.check else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time whole authd-token processes against the bare interpreter.")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="how to print the table")
    parser.add_argument("--rounds", type=int, default=30, help="runs of each command; the median counts")
    parser.add_argument("--docs", default=str(_ROOT / "docs"), help="folder for table and figure; empty for none")
    parser.add_argument("--check", action="store_true", help="fail if a limit is exceeded")
    return parser.parse_args()


def _installed(folder: Path) -> str:
    """Install this source tree below `folder` as pip does for users, and return the command."""
    prefix = folder / "installed"
    # Built from a copy, because a build leaves files in the tree.
    source = folder / "source"
    shutil.copytree(_ROOT, source, ignore=shutil.ignore_patterns(".*", "__pycache__", "dist", "build"))
    for name in ("README.md", "LICENSE"):
        (source / name).touch()
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation",
         "--ignore-installed", "--no-warn-script-location", "--prefix", str(prefix), str(source)],
        check=True,
        stdout=sys.stderr,
    )  # fmt: skip
    return str(prefix / "bin" / "authd-token")


def _single_file(folder: Path) -> str:
    """Write authd-token as a single file, and return its path."""
    path = folder / "authd-token.pyz"
    command = [sys.executable, "-m", "tools.release.pyz", str(path), "--python", sys.executable]
    subprocess.run(command, cwd=_ROOT, check=True, stdout=sys.stderr)
    return str(path)


@contextlib.contextmanager
def _emulator() -> Iterator[dict[str, str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "authd.emulator"], stdout=subprocess.PIPE, text=True, cwd=_ROOT
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield {"AWS_ENDPOINT_URL_STS": ready["address"], "AWS_CA_BUNDLE": ready["ca"]}
        process.terminate()


def _cases(token: str, folder: Path, calls: dict[str, str]) -> list[Case]:
    home = _home(folder)
    nothing = {"HOME": str(home), "PATH": os.defpath, "AWS_EC2_METADATA_DISABLED": "true"}
    keys = {**nothing, "AWS_ACCESS_KEY_ID": _KEY_ID, "AWS_SECRET_ACCESS_KEY": _SECRET, "AWS_REGION": "us-east-1"}
    profile, cluster = {**nothing, "AWS_PROFILE": "work"}, ("-i", "prod")
    role = ("-r", _ROLE)
    single = {**keys, "AUTHD_PYTHON": sys.executable}
    aws = str(Path(sys.executable).with_name("aws"))
    return [
        Case(name=_FLOOR, command=(sys.executable, "-I", "-S", "-c", "pass"), environ=nothing),
        Case(name="authd-token: environment", command=(token, *cluster), environ=keys, limit=1.6),
        Case(name="authd-token.pyz: environment", command=(_single_file(folder), *cluster), environ=single, limit=1.6),
        Case(name=_CACHED, command=(token, *cluster, *role, "--cache"), environ={**keys, **calls}, limit=1.6),
        Case(name="authd-token: named profile", command=(token, *cluster), environ=profile, limit=2),
        Case(
            name="authd-token: credential_process",
            command=(token, *cluster),
            environ={**nothing, "AWS_PROFILE": "process"},
        ),
        Case(name="authd-token: assumed role, not cached", command=(token, *cluster, *role), environ={**keys, **calls}),
        Case(name="a script with botocore", command=(sys.executable, "-c", _SDK_SCRIPT), environ=keys),
        Case(
            name="aws eks get-token",
            command=(sys.executable, aws, "eks", "get-token", "--cluster-name", "prod", "--region", "us-east-1"),
            environ=keys,
        ),
    ]


def _home(folder: Path) -> Path:
    home = folder / "home"
    (home / ".aws").mkdir(parents=True)
    document = json.dumps({"Version": 1, "AccessKeyId": _KEY_ID, "SecretAccessKey": _SECRET})
    (home / "process.json").write_text(document)
    (home / ".aws/config").write_text(
        "[default]\nregion = eu-west-1\n[profile work]\nregion = us-east-1\noutput = json\n"
        f"[profile process]\nregion = us-east-1\ncredential_process = cat {home}/process.json\n"
    )
    (home / ".aws/credentials").write_text(
        f"[work]\naws_access_key_id = {_KEY_ID}\naws_secret_access_key = {_SECRET}\n"
    )
    return home


def _measure(cases: list[Case], rounds: int) -> list[Result]:
    for case in cases:
        _prove(case)
    times: dict[str, list[float]] = {case.name: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            times[case.name].append(_time(case))
    medians = {name: statistics.median(each) * 1000 for name, each in times.items()}
    return [
        Result(
            name=case.name,
            milliseconds=round(medians[case.name], 2),
            ratio=round(medians[case.name] / medians[_FLOOR], 2),
            limit=case.limit,
        )
        for case in cases
    ]


def _prove(case: Case) -> None:
    """Run a case once, to warm up and to check that it prints a token."""
    done = subprocess.run(case.command, env=case.environ, capture_output=True, text=True, check=False)
    if done.returncode or (case.name != _FLOOR and "k8s-aws-v1." not in done.stdout):
        raise SystemExit(f"{case.name} gives no token: {done.stderr.strip()}")


def _time(case: Case) -> float:
    """Return the duration of a run in seconds, started by a new parent process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, repr(_run(case)).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as told:
        return float(told.read())


def _run(case: Case) -> float:
    silence = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    before = time.perf_counter()
    process = os.posix_spawn(case.command[0], case.command, case.environ, file_actions=silence)
    os.waitpid(process, 0)
    return time.perf_counter() - before


def _machine() -> str:
    return f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"


def _table(results: list[Result]) -> str:
    rows = ["| command | median, ms | × the bare interpreter | limit |", "|---|---:|---:|---:|"]
    rows += [f"| {each.name} | {each.milliseconds:.1f} | {each.ratio:.2f} | {each.limit or '–'} |" for each in results]
    return "\n".join(rows)


def _write(folder: Path, results: list[Result], rounds: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "token-benchmark.svg").write_text(_figure(results))
    (folder / "token-benchmark.md").write_text(
        "# How long kubectl waits for a token\n\n"
        f"Whole processes, wall time, median of {rounds} runs that take turns; {_machine()}.\n"
        "Written by `python benchmarks/token.py`.\n\n"
        f"{_table(results)}\n\n![The same as bars](token-benchmark.svg)\n"
    )


def _figure(results: list[Result]) -> str:
    """Draw the medians as bars, readable on a light and on a dark page."""
    most, row, left, width = max(each.milliseconds for each in results), 26, 250, 430
    box = f"0 0 760 {row * len(results) + 10}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" font-family="sans-serif" font-size="13" role="img">',
        "<title>Median time of whole processes in milliseconds</title>",
        "<style>text{fill:#444}@media (prefers-color-scheme:dark){text{fill:#ccc}}</style>",
    ]
    for number, each in enumerate(results):
        top, length = 5 + number * row, max(1, round(width * each.milliseconds / most))
        colour = "#2a9d8f" if each.name.startswith("authd-token") else "#8d99ae"
        lines += [
            f'<text x="{left - 8}" y="{top + 16}" text-anchor="end">{each.name}</text>',
            f'<rect x="{left}" y="{top + 2}" width="{length}" height="{row - 6}" rx="2" fill="{colour}"/>',
            f'<text x="{left + length + 6}" y="{top + 16}">{each.milliseconds:.0f} ms</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
