"""A host for labs: what a failing test leaves standing is ended with it."""

from __future__ import annotations

import os
import signal

import pytest

from tests.hosts import wait_until
from tests.lab.world import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hosts import HostNs


@pytest.fixture
def host(host: HostNs) -> Iterator[HostNs]:
    """One host; the processes of its labs live in namespaces of their own, where `lab` does not look."""
    yield host
    left = processes(host)
    for pid in left:
        _kill(pid)
    gone = wait_until(lambda: not processes(host))
    assert (left, gone) == ([], True), "a lab was left standing"


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
