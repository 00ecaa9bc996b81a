"""A loop: it calls back when a time has come, when something can be read, or when another thread has something new."""

from __future__ import annotations

import os
import selectors
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Act = Callable[[], None]


class Loop:
    """Callbacks, one at a time, all in the thread that runs it; `wake` alone may be called by others."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._due: dict[Act, float] = {}
        self._periods: dict[Act, float] = {}
        self._woken: set[Act] = set()
        self._stopping = False
        self._ear, self._bell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._selector.register(self._ear, selectors.EVENT_READ, self._hear_bell)

    def every(self, seconds: float, act: Act) -> None:
        """Call back at once, and then again so long after each end of it."""
        self._periods[act] = seconds
        self._due[act] = 0.0

    def within(self, seconds: float, act: Act) -> None:
        """Call back in so many seconds, or earlier if that is due anyway."""
        self._due[act] = min(self._due.get(act, float("inf")), time.monotonic() + seconds)

    def hear(self, fd: int, act: Act) -> None:
        """Call back when a descriptor can be read."""
        self._selector.register(fd, selectors.EVENT_READ, act)

    def wake(self, act: Act) -> None:
        """Call back soon; for other threads."""
        self._woken.add(act)
        self._ring()

    def stop(self) -> None:
        """End `run` when the callback that is under way is done; a signal handler may call it."""
        self._stopping = True
        self._ring()

    def run(self) -> None:
        """Call back until stopped."""
        while not self._stopping:
            for act in self._ready():
                act()
            for act in [one for one, due in self._due.items() if due <= time.monotonic()]:
                self._due.pop(act)
                act()
                if act in self._periods:
                    self.within(self._periods[act], act)

    def _ready(self) -> list[Act]:
        wait = min(self._due.values(), default=time.monotonic() + 60.0) - time.monotonic()
        found: list[Act] = [key.data for key, _ in self._selector.select(max(wait, 0.0))]
        while self._woken:  # one by one, as another thread may add to this very set at any instant
            found.append(self._woken.pop())
        return found

    def _hear_bell(self) -> None:
        os.read(self._ear, 4096)

    def _ring(self) -> None:
        try:
            os.write(self._bell, b"!")
        except BlockingIOError:
            return  # it rings already
