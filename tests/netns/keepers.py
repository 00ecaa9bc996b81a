"""The process that keeps a host's overlays: found, and ended."""

from __future__ import annotations

import os
import select
import signal

from tests.hosts import HostNs, cmdline, wait_until


def keeper(host: HostNs) -> int:
    """Its process id, 0 when none lives. Of several that were begun at once all but one end when they have loaded."""

    def there() -> list[int]:
        return [pid for pid in host.pids() if "overlay.keeper" in cmdline(pid)]

    wait_until(lambda: len(there()) < 2)
    return next(iter(there()), 0)


def kill_keeper(host: HostNs) -> bool:
    """End it as nobody expects it, and see that all it held is free; whether there was one.

    A process has no command line any more some time before its locks go.
    """
    pid = keeper(host)
    if not pid:
        return False
    watched = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(watched, signal.SIGKILL)
        assert select.select([watched], [], [], 30)[0], f"keeper {pid} cannot be ended"
    finally:
        os.close(watched)
    return True


def end_keeper(host: HostNs) -> None:
    """It outlives commands, but no test."""
    while kill_keeper(host):
        pass
