"""Run `twistd`, and write down how often reviews took the short ways and how often they did not.

The first argument is the file to write to. The daemon is as it is: only calls are counted.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.scripts.twistd import run

from authd.core import caller_identity, token_review
from authd.daemon.http import request_parser
from authd.daemon.sts import agent

FILE = Path(sys.argv.pop(1))
counts: Counter[str] = Counter()


def counted(name: str, function: Callable[..., Any], counts_as: Callable[[Any, Any], str | None]) -> Callable[..., Any]:
    """Return a function that counts its calls by what they came to."""

    def counting(*args: Any) -> Any:
        result = function(*args)
        outcome = counts_as(args, result)
        if outcome is not None:
            counts[f"{name} {outcome}"] += 1
            FILE.write_text(json.dumps(counts))  # at once: twistd ends by a signal, which no exit handler sees
        return result

    return counting


def main() -> None:
    """Be twistd."""
    request_parser.usual_request = counted(
        "request",
        request_parser.usual_request,
        lambda args, result: ("missed" if result is None else "taken") if args[0].startswith(b"POST") else None,
    )
    agent.usual_answer = counted(
        "response", agent.usual_answer, lambda _, result: "missed" if result is None else "taken"
    )
    token_review._decode_strictly = counted("review", token_review._decode_strictly, lambda *_: "missed")
    caller_identity.parse_object = counted("identity", caller_identity.parse_object, lambda *_: "missed")
    sys.exit(run())


if __name__ == "__main__":
    main()
