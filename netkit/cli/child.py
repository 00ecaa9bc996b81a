"""A process in a fresh network namespace, which waits until its network is there and then becomes a command."""

from __future__ import annotations

import os
import signal

from netkit.cli.words import NotRunError, become
from netkit.errors import HostError, NetkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import NoReturn, Self

#: What is passed on to the command while it runs.
FORWARDED = frozenset(
    {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH}
)
_FROM_KERNEL = 0x80
_READY = 0


class Child:
    """The process, as its parent sees it; leaving the `with` block ends it, if it was never let go.

    Two pipes: through one it is let go (a byte) or told to end (end of file: also when the parent dies); through the
    other it tells that it is ready, or why something failed, as an errno; exec closes it.
    """

    def __init__(self, words: tuple[str, ...], furnish: Callable[[], None] | None = None) -> None:
        self.words = words
        self._running = True
        go, self._go = os.pipe()
        self._told, tell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._go)
            os.close(self._told)
            _live(words, go, tell, furnish)
        os.close(go)
        os.close(tell)

    def __enter__(self) -> Self:
        failed = self._listen()
        if failed is None:
            self.__exit__(None, None, None)
            raise NetkitError(
                "the process for the command died before it began", "see the kernel's log: out of memory?"
            )
        if failed:
            self.__exit__(None, None, None)
            raise HostError(f"cannot make the command's namespaces: {os.strerror(failed)}", "this takes CAP_SYS_ADMIN")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._go)
        os.close(self._told)
        if self._running:
            os.waitpid(self.pid, 0)
            self._running = False

    def run(self) -> int:
        """Let the command go and wait for its end; returns its exit code, or 128 and the signal that ended it.

        Signals are passed on to it meanwhile, but for those from the terminal, which it gets itself. NotRunError when
        it cannot be started.
        """
        signals = FORWARDED | {signal.SIGCHLD}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            os.write(self._go, b"!")
            failed = self._listen()
            if failed:
                raise NotRunError(self.words[0], failed)
            return self._wait(signals)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _wait(self, signals: frozenset[signal.Signals]) -> int:
        while True:
            came = signal.sigwaitinfo(signals)
            if came.si_signo != signal.SIGCHLD:
                if came.si_code != _FROM_KERNEL:
                    os.kill(self.pid, came.si_signo)
                continue
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._running = False
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code

    def _listen(self) -> int | None:
        """The errno that the child tells, 0 when it is ready, None when it has become the command or died."""
        told = os.read(self._told, 4)
        return int.from_bytes(told, "little") if told else None


def _live(words: tuple[str, ...], go: int, tell: int, furnish: Callable[[], None] | None) -> NoReturn:
    """The child's life; `furnish` is done once it is in its namespace.

    It must never return: everything that the parent has open or half done is here, too.
    """
    from netkit.kernel.threads import unshare

    try:
        unshare()
        if furnish:
            furnish()
        os.write(tell, _READY.to_bytes(4, "little"))
        if os.read(go, 1):
            become(words)
    except OSError as error:
        os.write(tell, (error.errno or 1).to_bytes(4, "little"))
    finally:
        os._exit(127)
