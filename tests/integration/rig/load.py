"""A load of reviews on several connections, with a check of each response."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Self

from tests.integration.rig.polling import wait_until
from tests.integration.rig.webhook_client import Response, WebhookClient

#: Raises an error if a response is wrong.
Check = Callable[[Response], None]


class Load:
    """A context manager that posts reviews of tokens. Raises `AssertionError` at the end if a response is lost or wrong.

    `expect` is called with a token before its review, and returns the check of its response. With `fresh` each review
    has a new connection.
    """

    def __init__(
        self,
        connect: Callable[[], WebhookClient],
        tokens: Sequence[str],
        expect: Callable[[str], Check],
        *,
        threads: int = 4,
        fresh: bool = False,
    ) -> None:
        self._connect = connect
        self._tokens = tokens
        self._expect = expect
        self._fresh = fresh
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(threads)]
        self._lock = threading.Lock()
        self.answered = 0
        self.problems: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.wait_for_responses(10)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if kind is None:
            assert not self.problems, (len(self.problems), self.answered, self.problems[:5])

    def wait_for_responses(self, count: int) -> None:
        """Wait for a number of further responses."""
        goal = self.answered + count
        wait_until(lambda: self.answered >= goal or self.problems, f"{count} answers under load")

    def _run(self, number: int) -> None:
        client = self._connect()
        while not self._stopping.is_set():
            token = self._tokens[number % len(self._tokens)]
            number += 1
            try:
                check = self._expect(token)
                check(client.review(token))
            except Exception as error:  # the test reports every failure
                with self._lock:
                    self.problems.append(f"{type(error).__name__}: {error}")
                client.close()
            else:
                with self._lock:
                    self.answered += 1
            if self._fresh:
                client.close()
        client.close()
