"""Says it in words when the process has used up its descriptors, and when there are some again."""

from __future__ import annotations

import errno
import os
import resource

from twisted.logger import Logger

_log = Logger(namespace="authd.descriptors")

#: How often to look.
LOOK_SECONDS = 1.0


class Descriptors:
    """The process's open files and connections, of which the system grants a limited number."""

    def __init__(self) -> None:
        self._used_up = False

    def check(self) -> None:
        """Try to take one, and say so once where that fails."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and not self._used_up:
                self._used_up = True
                _log.error(
                    "descriptors are used up (limit {limit}): open connections are served, new ones are closed "
                    "until there are some again; raise LimitNOFILE, or look who holds so many",
                    limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
                )
        else:
            if self._used_up:
                _log.info("there are descriptors again")
            self._used_up = False
