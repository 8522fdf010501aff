"""What every fuzz target needs: authd instrumented, the corpus as seeds, libFuzzer's options."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

import atheris

# Lets the fuzzer see the words that texts are compared with.
atheris.enabled_hooks.add("str")

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

#: An input that takes longer than this, in seconds, is a finding: everything here is meant to take milliseconds.
TIMEOUT = 10


def fuzz(target: Callable[[bytes], None], seeds: Iterable[bytes], *, max_length: int) -> None:
    """Run a target until libFuzzer is done; a directory of seeds comes on top of those of the command line."""
    with tempfile.TemporaryDirectory(prefix="authd-fuzz-") as folder:
        for seed in seeds:
            Path(folder, sha256(seed).hexdigest()).write_bytes(seed)
        options = [f"-timeout={TIMEOUT}", f"-max_len={max_length}", "-rss_limit_mb=1024"]
        # What libFuzzer finds goes to the first directory: to one of the command line's, if there is any.
        arguments = [sys.argv[0], *options, *sys.argv[1:], folder]
        atheris.Setup(arguments, target)
        atheris.Fuzz()
