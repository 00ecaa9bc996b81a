"""Helper threads: to run a function inside another network namespace without leaving one's own, or beside other work.

setns moves one thread, so the work is done by a short-lived helper thread that nobody uses afterwards; the calling
thread never moves, and there is no way back to get wrong.
"""

from __future__ import annotations

import _thread
import os
import sys
from _signal import SIG_BLOCK, SIG_SETMASK, pthread_sigmask, valid_signals  # type: ignore[import-not-found]

from netkit.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

CLONE_NEWNET = 0x40000000

if sys.version_info >= (3, 12):

    def setns(fd: int) -> None:
        """Move the calling thread into the network namespace of a pidfd or namespace descriptor, or OSError."""
        os.setns(fd, CLONE_NEWNET)

    def unshare() -> None:
        """Move the calling thread into a new network namespace, or OSError."""
        os.unshare(CLONE_NEWNET)
else:  # os.setns and os.unshare came with Python 3.12

    def setns(fd: int) -> None:
        """Move the calling thread into the network namespace of a pidfd or namespace descriptor, or OSError."""
        _libc("setns", fd, CLONE_NEWNET)

    def unshare() -> None:
        """Move the calling thread into a new network namespace, or OSError."""
        _libc("unshare", CLONE_NEWNET)

    def _libc(name: str, *arguments: int) -> None:
        import ctypes

        if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))


def run_inside(fd: int, work: Callable[[], T]) -> T:
    """What `work` returns or raises, run inside the network namespace of a pidfd or namespace descriptor.

    OSError when the namespace cannot be entered, so `work` must turn its own into NetkitErrors.
    """

    def inside() -> T:
        setns(fd)
        return work()

    return beside(inside)()


def beside(work: Callable[[], T]) -> Callable[[], T]:
    """Start `work` in a helper thread; returns what waits for its end, and then gives its value or raises its error."""
    result: list[Any] = []
    failure: list[BaseException] = []
    finished = _thread.allocate_lock()
    finished.acquire()

    def helper() -> None:
        try:
            result.append(work())
        except BaseException as error:
            failure.append(error)  # raised again in the caller's thread
        finally:
            finished.release()

    def wait() -> T:
        finished.acquire()
        if failure:
            raise failure[0]
        value: T = result[0]
        return value

    try:
        _start(helper)
    except RuntimeError as error:
        raise HostError("cannot start a helper thread", "raise the limit on processes (ulimit -u)") from error
    return wait


def _start(helper: Callable[[], None]) -> None:
    """Start a thread that takes no signals: they are for the main thread, which may block them and wait for one.

    The kernel would give it to a helper that has not quite ended yet, where a SIGCHLD is lost for good.
    """
    before = pthread_sigmask(SIG_BLOCK, valid_signals())
    try:
        _thread.start_new_thread(helper, ())
    finally:
        pthread_sigmask(SIG_SETMASK, before)
