"""Work on files that may hang for ever: a hard mount whose server is away."""

from __future__ import annotations

import threading
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
        self.over.set()


class Patience:
    """Does one thing at a time, in a thread that is kept for it, and waits for it only so long (in seconds)."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._last: _Task | None = None

    def __del__(self) -> None:
        self._tasks.put(None)

    def within(self, work: Callable[[], T], what: str) -> T:
        """What `work` returns or raises; StateError when it takes too long, or when what was begun earlier still does.

        A thread that hangs in the kernel cannot be ended; when it comes back, its result is dropped.
        """
        if self._last and not self._last.over.is_set():
            raise StateError(f"{what} has not answered for longer than {self.seconds:g} s", "see whether it is mounted")
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=_work_off, args=(self._tasks,), daemon=True)
            self._thread.start()
        self._last = task = _Task(work)
        self._tasks.put(task)
        if not task.over.wait(self.seconds):
            raise StateError(f"{what} does not answer within {self.seconds:g} s", "see whether it is mounted")
        self._last = None
        if task.failed is not None:
            raise task.failed
        found: T = task.done
        return found


def _work_off(tasks: SimpleQueue[_Task | None]) -> None:
    while task := tasks.get():
        task.do()
        del task  # while we wait for the next, nothing of the last one is held
