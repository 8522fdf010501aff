"""Settings for a command, from a settings file, from options, or both. Options override the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from authd.cli.shared.errors import CommandError
from authd.config.load import load_settings
from authd.config.settings import NOTHING, Loaded
from authd.partition_data import load_partitions


def read_settings(
    file: str | None, overrides: Mapping[str, str | None], defaults: Mapping[str, str] = NOTHING
) -> Loaded:
    """Load a settings file, or only `overrides` and `defaults`. Both map a setting's path to an option's value.

    Raises `ConfigError` with every error, and `CommandError` if nothing names the cluster or the file can't be read.
    """
    given = {setting: text for setting, text in overrides.items() if text is not None}
    if file is None and "clusterID" not in given:
        raise CommandError("give the cluster's id with -i ID, or a settings file that has it with -c FILE")
    text = b"" if file is None else _read(file)
    return load_settings(
        text, file=file or "the command line", partitions=load_partitions(), overrides=given, defaults=defaults
    )


def config_file(given: str | None, cluster: str | None, default: str | None) -> str | None:
    """Return the given settings file, or the default one if it exists and no cluster is given."""
    return given or (default if not cluster and default is not None and Path(default).exists() else None)


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: the settings file can't be read: {error.strerror}") from None
