"""A bounded load of reviews from several connections at once, each answer looked at."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Self

from tests.integration.rig.polling import wait_until
from tests.integration.rig.webhook_client import Answer, WebhookClient

#: Looks at an answer, and raises where it is wrong.
Judge = Callable[[Answer], None]


class Load:
    """Posts reviews of the tokens until it is left; a lost or wrong answer fails the block.

    `expect` is called with a token before it is sent, and returns the judge of its answer. With `fresh` every
    review has a connection of its own.
    """

    def __init__(
        self,
        connect: Callable[[], WebhookClient],
        tokens: Sequence[str],
        expect: Callable[[str], Judge],
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
        self.answer_more(10)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if kind is None:
            assert not self.problems, (len(self.problems), self.answered, self.problems[:5])

    def answer_more(self, count: int) -> None:
        """Wait until so many more reviews are answered."""
        goal = self.answered + count
        wait_until(lambda: self.answered >= goal or self.problems, f"{count} answers under load")

    def _run(self, number: int) -> None:
        client = self._connect()
        while not self._stopping.is_set():
            token = self._tokens[number % len(self._tokens)]
            number += 1
            try:
                judge = self._expect(token)
                judge(client.review(token))
            except Exception as error:  # whatever it is, the test is told
                with self._lock:
                    self.problems.append(f"{type(error).__name__}: {error}")
                client.close()
            else:
                with self._lock:
                    self.answered += 1
            if self._fresh:
                client.close()
        client.close()
