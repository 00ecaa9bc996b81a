"""Locks: one owner at a time, for a bounded time, and gone with its process.

flock(2) on a file that is never removed. A lock file that somebody deletes or replaces all the same must not give two
owners, so after locking we look whether the path still leads to what we hold.
"""

from __future__ import annotations

import fcntl
import os
import time

from netkit.errors import BusyError, StateError
from netkit.state import dirfd
from netkit.state.files import Telling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.files import Directory
    from netkit.state.root import Root

#: Longest wait in seconds: above 100 queued transactions, below the patience of container runtimes.
PATIENCE = 30.0
_SHORTEST, _LONGEST = 0.0005, 0.02


def lock(root: Root, name: str, seconds: float = PATIENCE) -> Lock:
    """The lock of that name, to be used with `with`; BusyError when it stays taken for `seconds`."""
    return Lock(root.locks, name, seconds)


class Lock:
    """An exclusive lock, held between `with` and the end of its block; not reentrant."""

    def __init__(self, directory: Directory, name: str, seconds: float = PATIENCE) -> None:
        self.directory = directory
        self.name = name
        self.seconds = seconds
        self._fd = -1

    def __enter__(self) -> None:
        deadline = time.monotonic() + self.seconds
        pause = _SHORTEST
        while (fd := self._try()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise BusyError(f"{self.name} is busy: {self._holder()}", "try again later")
            time.sleep(min(pause, left))
            pause = min(pause * 2, _LONGEST)
        self._fd = fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
        self._fd = -1

    def _try(self) -> int | None:
        """A descriptor that owns the lock, None when another does."""
        path = self.directory.where(self.name)
        with Telling("lock", path):
            try:
                fd = dirfd.open_regular(self.name, self.directory.fd, os.O_RDWR | os.O_CREAT)
            except dirfd.OddFileError as error:
                raise StateError(f"cannot lock {path}: {error}", "remove it and try again") from error
            return None if fd is None else self._own(fd)

    def _own(self, fd: int) -> int | None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = dirfd.look(self.name, self.directory.fd)
            if found is not None and os.path.samestat(found, os.fstat(fd)):
                return fd
        except BlockingIOError:
            pass
        except OSError:
            os.close(fd)
            raise
        os.close(fd)
        return None

    def _holder(self) -> str:
        """Who holds it, as the kernel tells: a lock file that names its owner could not be written on a full disk."""
        try:
            found = os.stat(self.name, dir_fd=self.directory.fd)
            wanted = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
            with open("/proc/locks", encoding="ascii") as table:
                pids = [line.split()[4] for line in table if wanted in line.split() and "->" not in line]
            with open(f"/proc/{pids[0]}/comm", encoding="utf-8", errors="replace") as comm:
                return f"held by process {pids[0]} ({comm.read().strip()}) for {self.seconds:g} s"
        except (OSError, IndexError):
            return f"another netkit has held it for {self.seconds:g} s"
