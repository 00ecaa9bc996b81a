"""Work on files that may hang for ever: a hard mount whose server is away."""

from __future__ import annotations

import threading

from netkit.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")


#: For so long, in seconds, a store may let us wait.
PATIENCE = 10.0


class Patience:
    """Does one thing at a time, in a thread of its own, and waits for it only so long (in seconds)."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._thread: threading.Thread | None = None

    def within(self, work: Callable[[], T], what: str) -> T:
        """What `work` returns or raises; StateError when it takes too long, or when what was begun earlier still does.

        A thread that hangs in the kernel cannot be ended; when it comes back, its result is dropped.
        """
        if self._thread and self._thread.is_alive():
            raise StateError(f"{what} has not answered for longer than {self.seconds:g} s", "see whether it is mounted")
        done: list[T] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                done.append(work())
            except BaseException as error:
                failed.append(error)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        self._thread.join(self.seconds)
        if failed:
            raise failed[0]
        if not done:
            raise StateError(f"{what} does not answer within {self.seconds:g} s", "see whether it is mounted")
        return done[0]
