from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from authd.config.document.problems import InvalidSettings
from authd.config.load import load_settings
from authd.config.settings import Loaded
from authd.core.errors import Problem
from authd.core.partitions import Partition
from authd.partition_data import load_partitions

Load = Callable[..., Loaded]
Refuse = Callable[..., tuple[Problem, ...]]


@pytest.fixture(scope="session")
def partitions() -> Mapping[str, Partition]:
    return load_partitions()


@pytest.fixture(scope="session")
def load(partitions: Mapping[str, Partition]) -> Load:
    """Load a text under the file name `f`."""

    def load_text(text: str | bytes, **overrides: str) -> Loaded:
        data = text.encode() if isinstance(text, str) else text
        dotted = {name.replace("__", "."): value for name, value in overrides.items()}
        return load_settings(data, file="f", partitions=partitions, overrides=dotted)

    return load_text


@pytest.fixture(scope="session")
def refuse(load: Load) -> Refuse:
    """Load a text that has errors, and return them."""

    def refused(text: str | bytes, **overrides: str) -> tuple[Problem, ...]:
        with pytest.raises(InvalidSettings) as caught:
            load(text, **overrides)
        return caught.value.problems

    return refused
