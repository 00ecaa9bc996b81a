"""A capture ends when someone says so: SIGINT, SIGTERM and SIGHUP are a wish to end it here, not a failure."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopping:
    """While it is entered, a signal makes its descriptor readable and does nothing else. In the main thread only."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._before: dict[signal.Signals, Any] = {}

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._fd

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._fd)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        os.eventfd_write(self._fd, 1)
