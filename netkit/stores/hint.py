"""A wait that may end early: the kernel tells of changes in a directory that this host makes.

What other hosts change on a network filesystem it does not tell of, so a wait is always short, and whoever waits looks
again afterwards, whatever happened.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: IN_MOVED_TO | IN_CREATE | IN_DELETE
_MASK = 0x80 | 0x100 | 0x200
#: struct inotify_event: watch, mask, cookie, length of the name, padded with zeros.
_EVENT = struct.Struct("iIII")


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

    def wait(self, seconds: float) -> tuple[str, ...]:
        """Until something may have changed, at most so long; the names that did, "" for one that is not told.

        Names that begin with a dot are files on their way to another name, and wake nobody.
        """
        if self._fd < 0:
            time.sleep(seconds)
            return ()
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._fd], [], [], left)
            if ready and (names := self.told()):
                return names
        return ()

    def fileno(self) -> int:
        """What can be read when something was told, -1 where nothing ever is."""
        return self._fd

    def told(self) -> tuple[str, ...]:
        """The names that have changed since the last call."""
        if self._fd < 0:
            return ()
        try:
            return tuple(_names(os.read(self._fd, 1 << 16)))
        except BlockingIOError:
            return ()


def _names(data: bytes) -> Iterator[str]:
    at = 0
    while at < len(data):
        _, _, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size + length
        name = os.fsdecode(data[at - length : at].rstrip(b"\0"))
        if not name.startswith("."):
            yield name
