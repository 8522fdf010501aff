"""Log shippers with the configurations of `deploy/logging`, with paths in a test's folder."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CONFIGURATIONS = Path(__file__).parents[3] / "deploy" / "logging"
_AUDIT_LOG = "/var/log/authd/audit.jsonl"
#: A record, and the time that the shipper has parsed from it, as text.
Shipped = tuple[dict[str, Any], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipper:
    """One program. `prepare` writes its configuration into a folder and returns the command line.

    The program writes to standard output, or to `output` in the folder. `read` parses the record in a line.
    """

    program: str
    install: str
    prepare: Callable[[Path, Path], list[str]]
    read: Callable[[str], Shipped | None]
    output: str = "stdout"

    def start(self, folder: Path, audit: Path) -> subprocess.Popen[bytes]:
        """Start the program on an audit log."""
        command = self.prepare(folder, audit)
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def shipped(self, folder: Path) -> list[Shipped]:
        """Return the output so far."""
        path = folder / self.output
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [found for line in lines if (found := self.read(line)) is not None]


def _configured(name: str, folder: Path, replaced: dict[str, str]) -> str:
    text = (CONFIGURATIONS / name).read_text("utf-8")
    for old, new in replaced.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / name).write_text(text)
    return text


def _rsyslog(folder: Path, audit: Path) -> list[str]:
    _configured("rsyslog.conf", folder, {_AUDIT_LOG: str(audit), "/var/log/authd-audit.log": str(folder / "records")})
    main = f'global(workDirectory="{folder}")\ninclude(file="{folder}/rsyslog.conf")\n'
    (folder / "main.conf").write_text(main)
    return ["rsyslogd", "-n", "-i", str(folder / "pid"), "-f", str(folder / "main.conf")]


def _read_rsyslog(line: str) -> Shipped | None:
    header = re.fullmatch(r"<86>1 (\S+) \S+ authd - audit - (\{.*\})", line)
    return None if header is None else (json.loads(header[2]), header[1])


def _fluent_bit(folder: Path, audit: Path) -> list[str]:
    _configured("fluent-bit.yaml", folder, {_AUDIT_LOG: str(audit), "/var/lib/fluent-bit": str(folder)})
    text = yaml.safe_load((folder / "fluent-bit.yaml").read_text("utf-8"))
    text["pipeline"]["inputs"][0]["read_from_head"] = True
    text["pipeline"]["outputs"][0] |= {"json_date_key": "shipped_time", "json_date_format": "iso8601"}
    (folder / "fluent-bit.yaml").write_text(yaml.safe_dump(text))
    return ["fluent-bit", "--config", str(folder / "fluent-bit.yaml")]


def _vector(folder: Path, audit: Path) -> list[str]:
    text = _configured("vector.yaml", folder, {_AUDIT_LOG: str(audit)})
    (folder / "vector.yaml").write_text(f"data_dir: {folder}\n{text}")
    return ["vector", "--quiet", "--config", str(folder / "vector.yaml")]


def _reader(time_key: str) -> Callable[[str], Shipped | None]:
    """Return a parser of JSON lines with the shipper's time in a member."""

    def read(line: str) -> Shipped | None:
        if not line.startswith("{"):
            return None
        record = json.loads(line)
        return record, record.pop(time_key)

    return read


SHIPPERS = (
    Shipper(
        program="rsyslogd", install="apt install rsyslog", prepare=_rsyslog, read=_read_rsyslog, output="records"
    ),
    Shipper(
        program="fluent-bit", install="from Fluent Bit's own package source", prepare=_fluent_bit,
        read=_reader("shipped_time"),
    ),
    Shipper(
        program="vector", install="from Vector's own package source", prepare=_vector, read=_reader("timestamp")
    ),
)  # fmt: skip
