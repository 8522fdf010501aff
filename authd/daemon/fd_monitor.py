"""Logs when the process has run out of file descriptors, and when it has some again."""

from __future__ import annotations

import errno
import os
import resource

from twisted.logger import Logger

_log = Logger(namespace="authd.descriptors")

#: Interval of the check.
LOOK_SECONDS = 1.0


class Descriptors:
    """The process's file descriptors, limited by RLIMIT_NOFILE."""

    def __init__(self) -> None:
        self._used_up = False

    def check(self) -> None:
        """Try to open one, and log the first failure of a series."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and not self._used_up:
                self._used_up = True
                _log.error(
                    "file descriptors are exhausted (limit {limit}): open connections are served, new ones are closed; "
                    "raise LimitNOFILE, or find the client with many connections",
                    limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
                )
        else:
            if self._used_up:
                _log.info("file descriptors are available again")
            self._used_up = False
