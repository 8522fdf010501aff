"""Checks settings, mappings and the files of their sources."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from authd.cli.doctor.findings import Finding, error, ok, warning
from authd.cli.shared.output import counted
from authd.config.backends import MOUNTED_FILE
from authd.config.document.problems import InvalidSettings, Problems
from authd.config.dynamic_file import reading_dynamic_file
from authd.config.load import load_settings
from authd.config.rules.validity import time_warnings
from authd.config.settings import Loaded, Settings
from authd.core.cooperative import finish
from authd.core.errors import ConfigError, Problem
from authd.daemon.tracing.tracing import require_packages
from authd.partition_data import load_partitions
from authd.state.atomic_file import read_regular
from authd.state.certificate_store import StateFiles

#: More findings of one file would hide the rest of the report.
_MAX_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsResult:
    """The findings about a settings file, and the settings for the other checks, None if there are none."""

    findings: tuple[Finding, ...]
    loaded: Loaded | None


def examine_settings(
    config: Path, state_dir: Path, overrides: Mapping[str, str] = MappingProxyType({})
) -> SettingsResult:
    """Load the settings. If the file is broken, load the last good copy in `state_dir`, as the daemon does.

    `overrides` maps a setting's path to an option's value.
    """
    check = f"authd check {shlex.quote(str(config))}"
    try:
        loaded = _load(config, overrides)
    except OSError as problem:
        fix = "run authd doctor with sudo, or name the file with -c"
        found = error(f"{config} can't be read: {problem.strerror}", fix)
        return SettingsResult(findings=(found,), loaded=_last_good(state_dir, overrides))
    except InvalidSettings as broken:
        findings = [error(str(problem), check) for problem in broken.problems[:_MAX_SHOWN]]
        loaded_before = _last_good(state_dir, overrides)
        if loaded_before is not None:
            findings.append(warning("the checks below use the last good settings, as a running daemon does", check))
        return SettingsResult(findings=tuple(findings), loaded=loaded_before)
    return SettingsResult(findings=tuple(_findings(config, check, loaded)), loaded=loaded)


def _findings(config: Path, check: str, loaded: Loaded) -> Iterator[Finding]:
    sources = ", ".join(loaded.settings.backend_mode)
    yield ok(f"{config} is usable: {counted(len(loaded.table), 'mapping')}, sources {sources}")
    times = time_warnings(loaded.table.rules(), time.time())
    for problem in (*loaded.warnings, *times)[:_MAX_SHOWN]:
        yield warning(str(problem), check)
    if loaded.settings.backend_mode == (MOUNTED_FILE,) and not len(loaded.table):
        yield error("there is no mapping, so nobody can log in", f"add server.mapRoles to {config}")
    if "DynamicFile" in loaded.settings.backend_mode:
        yield from _dynamic_file(loaded.settings)
    if loaded.settings.tracing is not None:
        yield from _tracing()


def _tracing() -> Iterator[Finding]:
    try:
        require_packages()
    except ConfigError as missing:
        yield error(str(missing), "install the packages, or remove server.tracing")


def _dynamic_file(settings: Settings) -> Iterator[Finding]:
    path = settings.dynamic_file_path
    if not path:
        yield error("the source DynamicFile has no file", "set server.dynamicFilePath")
        return
    reading = Problems(path)
    try:
        table = finish(
            reading_dynamic_file(
                read_regular(Path(path)),
                reading,
                load_partitions(),
                partition=settings.partition,
                patterns=settings.role_patterns,
                strict=settings.dynamic_file_user_id_strict,
                reserved=settings.reserved_by("DynamicFile"),
            )
        )
    except OSError as problem:
        yield error(f"the dynamic file {path} can't be read: {problem.strerror}", "correct server.dynamicFilePath")
    except ConfigError as broken:
        first: Problem = broken.problems[0]
        yield error(str(first), f"correct the dynamic file {path}")
    else:
        yield ok(f"the dynamic file {path} is usable: {counted(len(table), 'mapping')}")
        for each in islice(time_warnings(table.rules(), time.time()), _MAX_SHOWN):
            yield warning(str(each), f"correct the dynamic file {path}")


def _load(path: Path, overrides: Mapping[str, str]) -> Loaded:
    return load_settings(read_regular(path), file=str(path), partitions=load_partitions(), overrides=overrides)


def _last_good(state_dir: Path, overrides: Mapping[str, str]) -> Loaded | None:
    try:
        return _load(StateFiles(folder=state_dir).last_good, overrides)
    except (OSError, ConfigError):
        return None
