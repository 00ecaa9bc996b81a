"""The helper of DHCP leases, as a process that serves whoever calls."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import pytest

pytest.importorskip("scapy", reason="scapy is not installed")

from netkit.ipam.dhcp import SOCKET
from netkit.state.root import Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

#: A helper that waits for less than people would like.
HASTY = "from netkit.agent.dhcp import helper; helper.IDLE = 4.0; helper.main()"


def test_callers_who_go_before_their_answer_do_not_keep_it(tmp_path: Path) -> None:
    root = Root(str(tmp_path / "root"))
    with subprocess.Popen([sys.executable, "-c", HASTY, root.path]) as process:
        try:
            for _ in range(3):
                with called(root) as caller:
                    caller.sendall(b'{"do": "release", "id": "nobody"}\n')
            assert process.wait(30) == 0
        finally:
            process.kill()


def called(root: Root) -> socket.socket:
    """A line to the helper, once it listens."""
    for _ in range(1000):
        caller = socket.socket(socket.AF_UNIX)
        try:
            caller.connect(f"/proc/self/fd/{root.dhcp.fd}/{SOCKET}")
        except OSError:
            caller.close()
            time.sleep(0.02)
        else:
            return caller
    raise AssertionError("no helper listens")
