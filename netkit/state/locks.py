"""Locks: one owner at a time, for a bounded time, and gone with its process.

flock(2) on a file that is never removed. A lock file that somebody deletes or replaces all the same must not give two
owners, so after locking we look whether the path still leads to what we hold.
"""

from __future__ import annotations

import _thread
import fcntl
import os
import time
from _signal import SIG_BLOCK, SIG_SETMASK, pthread_sigmask, valid_signals  # type: ignore[import-not-found]

from netkit.errors import BusyError, StateError
from netkit.state import dirfd
from netkit.state.files import Telling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.files import Directory
    from netkit.state.root import Root

#: Longest wait in seconds: above 100 queued transactions, below the patience of container runtimes.
PATIENCE = 30.0


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
        fd = self._try()
        while fd is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise BusyError(f"{self.name} is busy: {self._holder()}", "try again later")
            fd = self._queue(left)
        self._fd = fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
        self._fd = -1

    def _try(self) -> int | None:
        """A descriptor that owns the lock, None when another does."""
        fd = self._open()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError:
            os.close(fd)
            with self._telling():
                raise
        return self._current(fd)

    def _queue(self, seconds: float) -> int | None:
        """Wait in the kernel's queue; a descriptor that owns the lock, None if the time is up or the file was replaced.

        flock takes no time limit, so a helper thread waits in it: whoever lets go wakes the next at once, where polling
        would leave the lock idle between two looks.
        """
        fd = self._open()
        with self._telling():
            return self._current(fd) if Waiting(fd).ended(seconds) else None

    def _open(self) -> int:
        path = self.directory.where(self.name)
        with self._telling():
            try:
                fd = dirfd.open_regular(self.name, self.directory.fd, os.O_RDWR | os.O_CREAT)
            except dirfd.OddFileError as error:
                raise StateError(f"cannot lock {path}: {error}", "remove it and try again") from error
        if fd is None:
            raise StateError(f"cannot lock {path}: it vanishes", "see who removes it")
        return fd

    def _current(self, fd: int) -> int | None:
        """The descriptor, if the path still leads to the file that it has locked."""
        found = dirfd.look(self.name, self.directory.fd)
        if found is not None and os.path.samestat(found, os.fstat(fd)):
            return fd
        os.close(fd)
        return None

    def _telling(self) -> Telling:
        return Telling("lock", self.directory.where(self.name))

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


class Waiting:
    """A helper thread that waits in flock for a descriptor's lock."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._error: OSError | None = None
        self._decided = _thread.allocate_lock()  # taken by who comes first: the lock, or the end of patience
        self._done = _thread.allocate_lock()
        self._done.acquire()
        before = pthread_sigmask(SIG_BLOCK, valid_signals())
        try:
            _thread.start_new_thread(self._wait, ())
        finally:
            pthread_sigmask(SIG_SETMASK, before)

    def ended(self, seconds: float) -> bool:
        """Whether the lock came within that time; if not, or if this is interrupted, the descriptor is closed."""
        try:
            came = self._done.acquire(timeout=seconds)
        except BaseException:
            if not self._decided.acquire(blocking=False):
                os.close(self._fd)
            raise
        if not came and not self._decided.acquire(blocking=False):
            came = self._done.acquire()  # at the last moment
        if self._error is not None:
            os.close(self._fd)
            raise self._error
        return came

    def _wait(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        except OSError as error:
            self._error = error
        if self._decided.acquire(blocking=False):
            self._done.release()
        else:
            os.close(self._fd)  # nobody waits for it any more
