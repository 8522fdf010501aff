"""Logs when the process runs out of file descriptors, and when some are available again."""

from __future__ import annotations

import errno
import os
import resource

from twisted.logger import Logger

_log = Logger(namespace="authd.descriptors")

#: Interval of the check.
CHECK_SECONDS = 1.0


class DescriptorMonitor:
    """Monitors the process's file descriptors, which RLIMIT_NOFILE limits."""

    def __init__(self) -> None:
        self._exhausted = False

    def check(self) -> None:
        """Try to open a descriptor. Log the first failure of a series, and its end."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and not self._exhausted:
                self._exhausted = True
                _log.error(
                    "file descriptors are exhausted (limit {limit}): open connections are served, new ones are closed; "
                    "raise LimitNOFILE, or find the client with many connections",
                    limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
                )
        else:
            if self._exhausted:
                _log.info("file descriptors are available again")
            self._exhausted = False
