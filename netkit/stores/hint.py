"""A wait that may end early: the kernel tells of changes in a directory that this host makes.

What other hosts change on a network filesystem it does not tell of, so a wait is always short, and whoever waits looks
again afterwards, whatever happened.
"""

from __future__ import annotations

import ctypes
import os
import select
import time

#: IN_MOVED_TO | IN_CREATE | IN_DELETE
_MASK = 0x80 | 0x100 | 0x200


class Hint:
    """An inotify descriptor, or nothing where the kernel gives none: then each wait lasts."""

    def __init__(self, fds: tuple[int, ...]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        for fd in fds if self._fd >= 0 else ():
            libc.inotify_add_watch(self._fd, f"/proc/self/fd/{fd}".encode(), _MASK)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def wait(self, seconds: float) -> None:
        """Until something may have changed, at most so long."""
        if self._fd < 0:
            time.sleep(seconds)
            return
        ready, _, _ = select.select([self._fd], [], [], seconds)
        if ready:
            os.read(self._fd, 1 << 16)
