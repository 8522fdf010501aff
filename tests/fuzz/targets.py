"""Common parts of the fuzz targets: authd instrumented, the corpus as seeds, libFuzzer's options."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

import atheris

# Lets the fuzzer see the strings that texts are compared with.
atheris.enabled_hooks.add("str")

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

#: Seconds for one input. A slower one is a finding, since each should take milliseconds.
TIMEOUT = 10


def fuzz(target: Callable[[bytes], None], seeds: Iterable[bytes], *, max_length: int) -> None:
    """Run a target until libFuzzer ends, with a folder of seeds besides those on the command line."""
    with tempfile.TemporaryDirectory(prefix="authd-fuzz-") as folder:
        for seed in seeds:
            Path(folder, sha256(seed).hexdigest()).write_bytes(seed)
        options = [f"-timeout={TIMEOUT}", f"-max_len={max_length}", "-rss_limit_mb=1024"]
        # libFuzzer writes its findings to the first folder, which is the command line's if it names one.
        arguments = [sys.argv[0], *options, *sys.argv[1:], folder]
        atheris.Setup(arguments, target)
        atheris.Fuzz()
