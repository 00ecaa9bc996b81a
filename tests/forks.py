"""Children of a test, for races and sudden deaths."""

from __future__ import annotations

import gc
import os
import signal
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: No child outlives this many seconds, whatever becomes of its test.
LIMIT = 50


def start(work: Callable[[], object]) -> int:
    """Run `work` in a child; returns its process id. An exception there is printed, and makes `finish` fail."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    gc.freeze()  # to go through all that the test's process has would copy it
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LIMIT)
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def finish(pids: Sequence[int]) -> None:
    """Wait for children, all of which must have done their work."""
    statuses = [os.waitpid(pid, 0)[1] for pid in pids]
    assert not any(statuses), statuses


def kill(pid: int) -> None:
    """Kill a child at once and wait for its end."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
