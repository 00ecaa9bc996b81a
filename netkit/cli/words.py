"""Becoming another command: what run and exec have in common."""

from __future__ import annotations

import errno
import os
import signal
import sys

from netkit.errors import NetkitError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from netkit.model import NsRef

#: Signals that Python ignores and other programs do not expect to find ignored.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


class NotRunError(NetkitError):
    """The command could not be started: exit code 127 when there is none of that name, 126 when it is not to be run."""

    kind = "not-run"

    def __init__(self, word: str, number: int) -> None:
        super().__init__(
            f"cannot run {word}: {os.strerror(number)}", "look at its spelling, its mode and its interpreter"
        )
        self.exit_code = 127 if number in (errno.ENOENT, errno.ENOTDIR) else 126


def needed(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a command, or UsageError when there are none."""
    if not words or not words[0]:
        raise UsageError("which command?", "put it after --, for example: -- ip addr")
    return tuple(words)


def become(words: Sequence[str]) -> NoReturn:
    """Turn this process into that command, looked up in PATH; OSError when that cannot be."""
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    os.execvp(words[0], list(words))  # noqa: S606 - no shell is what we want


def become_in(ref: NsRef | None, words: Sequence[str]) -> NoReturn:
    """Enter a network namespace (None stays in this one) and turn into that command; NotRunError when that fails."""
    from netkit.kernel.namespaces import Namespaces
    from netkit.kernel.threads import setns

    if ref is not None:
        with Namespaces() as namespaces:
            setns(namespaces.enter(ref).fd)
    sys.stdout.flush()
    try:
        become(words)
    except OSError as error:
        raise NotRunError(words[0], error.errno or 0) from error
