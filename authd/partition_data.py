"""Reads botocore's partition data without importing botocore, whose session takes 7 MB and 75 ms."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from authd.core.errors import ConfigError, Problem
from authd.core.partitions import Partition, read_partitions


def load_partitions() -> Mapping[str, Partition]:
    """Return every AWS partition by name.

    Raises `ConfigError` if botocore isn't installed or its data can't be read.
    """
    spec = find_spec("botocore")
    if spec is None or not spec.submodule_search_locations:
        raise _unusable("botocore", "is not installed: pip install botocore")
    folder = Path(spec.submodule_search_locations[0], "data")
    try:
        return read_partitions(
            folder.joinpath("partitions.json").read_bytes(), folder.joinpath("endpoints.json").read_bytes()
        )
    except (OSError, ValueError) as error:
        raise _unusable(
            str(folder), f"botocore's partition data can't be read ({error}): reinstall botocore"
        ) from error


def _unusable(file: str, message: str) -> ConfigError:
    return ConfigError((Problem(file=file, line=0, column=0, message=message),))
