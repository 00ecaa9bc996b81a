"""The process that keeps a host's overlays: found, and ended."""

from __future__ import annotations

import os
import signal

from tests.hosts import HostNs, cmdline, wait_until


def keeper(host: HostNs) -> int:
    """Its process id, 0 when none lives."""
    return next((pid for pid in host.pids() if "overlay.keeper" in cmdline(pid)), 0)


def end_keeper(host: HostNs) -> None:
    """It outlives commands, but no test."""
    while pid := keeper(host):
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: keeper(host) == 0)
