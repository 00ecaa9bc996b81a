"""Signals that end a command, held off while it must not be disturbed.

An exception out of a signal handler can come between any two instructions: between a change and its note, in the
middle of taking back. So signals wait until a lock is let go, and whoever holds it looks now and then whether one has
come. `_signal` is what `signal` is made of, without its enums.
"""

from __future__ import annotations

from _signal import (  # type: ignore[import-not-found]
    SIG_BLOCK,
    SIG_SETMASK,
    SIGHUP,
    SIGINT,
    SIGTERM,
    pthread_sigmask,
    sigpending,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

#: What asks a command to end.
ENDING = (SIGINT, SIGTERM, SIGHUP)


def waiting() -> bool:
    """Whether a signal waits to end this command."""
    return any(number in sigpending() for number in ENDING)


class Undisturbed:
    """A lock that no signal disturbs while it is held; those that came are delivered when it is let go. May nest."""

    def __init__(self, lock: AbstractContextManager[None]) -> None:
        self._lock = lock
        self._before: set[int] = set()

    def __enter__(self) -> None:
        self._lock.__enter__()
        try:
            self._before = pthread_sigmask(SIG_BLOCK, ())
            pthread_sigmask(SIG_BLOCK, ENDING)
        except BaseException:  # one that came just before is told now
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.__exit__(None, None, None)
        pthread_sigmask(SIG_SETMASK, self._before)
