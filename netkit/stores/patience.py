"""Work on files that may hang for ever: a hard mount whose server is away."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue

from netkit.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

#: For so long, in seconds, a store may let us wait.
PATIENCE = 10.0


class _Task:
    """One piece of work: what came of it, once it is `over`."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.done: Any = None
        self.failed: BaseException | None = None
        self.over = threading.Event()

    def do(self) -> None:
        try:
            self.done = self.work()
        except BaseException as error:
            self.failed = error
        del self.work  # whoever hangs after us is not to hold what we held
        self.over.set()


class Patience:
    """Does one thing at a time, in a thread that is kept for it, and waits for it only so long (in seconds)."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._turn = threading.Lock()
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._last: _Task | None = None
        self._begun = 0.0

    def __del__(self) -> None:
        self._tasks.put(None)

    def within(self, work: Callable[[], T], what: str) -> T:
        """What `work` returns or raises; StateError when it takes too long, or when what was begun earlier still does.

        A thread that hangs in the kernel cannot be ended; when it comes back, its result is dropped.
        """
        task = self._begin(work, what)
        if not task.over.wait(self.seconds):
            raise StateError(f"{what} does not answer within {self.seconds:g} s", "see whether it is mounted")
        failed, task.failed = task.failed, None
        if failed is not None:
            raise failed
        found: T = task.done
        task.done = None
        return found

    def _begin(self, work: Callable[[], object], what: str) -> _Task:
        """Begin it when what another thread of ours has begun is over, or has had its time."""
        with self._turn:
            if self._last and not self._last.over.wait(max(self._begun + self.seconds - time.monotonic(), 0.0)):
                why = f"{what} has not answered for longer than {self.seconds:g} s"
                raise StateError(why, "see whether it is mounted")
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=_work_off, args=(self._tasks,), daemon=True)
                self._thread.start()
            self._last = task = _Task(work)
            self._begun = time.monotonic()
            self._tasks.put(task)
        return task


#: For each place that was to be opened, who opens it: one that hangs is asked once at a time, however many try.
_DOORS: dict[str, Patience] = {}


def at_door(place: str) -> Patience:
    """The one patience of this process with opening that place."""
    return _DOORS.setdefault(place, Patience(PATIENCE))


def _work_off(tasks: SimpleQueue[_Task | None]) -> None:
    while task := tasks.get():
        task.do()
        del task  # while we wait for the next, nothing of the last one is held
