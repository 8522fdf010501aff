"""Send reviews to the webhook without a pause, on a new connection each or on a few persistent ones.

    python -m tests.boot.rig.load KUBECONFIG REPORT [--kept] [--reviews NUMBER]

reads tokens from standard input, one per line. It ends at SIGTERM or after the number of reviews, and writes the
number of each outcome to REPORT as JSON.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

from tests.integration.rig.evidence import Evidence
from tests.integration.rig.webhook_client import WebhookClient

_THREADS = 4


class Reviews:
    """The outcomes of all threads."""

    def __init__(self, kubeconfig: Path, tokens: list[str], *, kept: bool, most: int) -> None:
        self._kubeconfig = kubeconfig
        self._tokens = tokens
        self._kept = kept
        self._left = most
        self._lock = threading.Lock()
        self.ending = threading.Event()
        self.outcomes: Counter[str] = Counter()

    def run(self) -> None:
        """Review until the end of the load."""
        client = WebhookClient(self._kubeconfig, Evidence())
        number = 0
        while not self.ending.is_set() and self._take():
            number += 1
            outcome = self._one(client, self._tokens[number % len(self._tokens)])
            with self._lock:
                self.outcomes[outcome] += 1
            if not self._kept or outcome not in {"authenticated", "not authenticated"}:
                client.close()
        client.close()

    def _take(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left >= 0

    def _one(self, client: WebhookClient, token: str) -> str:
        try:
            answer = client.review(token)
        except Exception as error:  # every failure is an outcome
            return f"{type(error).__name__}: {error}"
        if answer.status != 200:
            return f"status {answer.status}"
        return "authenticated" if answer.review["status"]["authenticated"] else "not authenticated"


def main() -> None:
    """Run the load."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("report", type=Path)
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--reviews", type=int, default=1_000_000)
    options = parser.parse_args()
    reviews = Reviews(options.kubeconfig, sys.stdin.read().split(), kept=options.kept, most=options.reviews)
    signal.signal(signal.SIGTERM, lambda *_: reviews.ending.set())
    threads = [threading.Thread(target=reviews.run) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    options.report.write_text(json.dumps(reviews.outcomes))


if __name__ == "__main__":
    main()
