"""Steps of the daemon's shutdown for signals and threads."""

from __future__ import annotations

import signal
from typing import Any

from twisted.internet.task import deferLater
from twisted.logger import Logger

_log = Logger(namespace="authd.daemon")

#: The longest wait for work in threads, in seconds.
THREAD_SECONDS = 2.0
_POLL_SECONDS = 0.02


def ignore_stop_signals() -> None:
    """Ignore further signals to stop. Twisted would log a traceback for each."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


async def end_threads(reactor: Any) -> None:
    """Wait for the work in the reactor's threads, for up to `THREAD_SECONDS`.

    Threads can't be cancelled, and Twisted waits for each. If DNS hangs, a look-up takes up to a minute.
    """
    pool = reactor.getThreadPool()
    limit = reactor.seconds() + THREAD_SECONDS
    while pool.working and reactor.seconds() < limit:
        await deferLater(reactor, _POLL_SECONDS)
    if pool.working:
        message = "the stop does not wait for {threads} threads that hang: DNS, a disk or the source of AWS credentials"
        _log.warn(message, threads=len(pool.working))
        pool.threads.clear()  # Twisted waits for these. The signal that ends the process ends them.
