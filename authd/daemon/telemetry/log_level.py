"""The log's level, changed at run time by SIGUSR1."""

from __future__ import annotations

import signal
from typing import Any

from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel
from zope.interface import implementer

_log = Logger(namespace="authd.daemon")

#: The levels in the order of SIGUSR1. `warn` omits accepted logins. The audit log is not affected.
_LEVELS = (LogLevel.info, LogLevel.debug, LogLevel.warn)


@implementer(ILogObserver)
class LogFilter:
    """Passes events of the current level and above to another observer."""

    def __init__(self, observer: ILogObserver) -> None:
        self._observer = observer
        self.level: Any = LogLevel.info

    def __call__(self, event: LogEvent) -> None:
        """Pass an event on if its level is high enough."""
        if event["log_level"] >= self.level:
            self._observer(event)

    @property
    def is_debug(self) -> bool:
        """Whether events at the level `debug` are passed on."""
        return self.level is LogLevel.debug

    def switch(self) -> None:
        """Switch to the next level, and log it."""
        self.level = _LEVELS[(_LEVELS.index(self.level) + 1) % len(_LEVELS)]
        _log.critical("the log level is {name} now; SIGUSR1 switches to the next", name=self.level.name)

    def install(self, reactor: Any) -> None:
        """Switch the level at each SIGUSR1."""
        signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(self.switch))
