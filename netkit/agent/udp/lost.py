"""A proxy that nobody can ask, as when /run was cleared under it: it still has its device and its port."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.root import Root

#: What stands in the command line of each proxy.
MODULE = "netkit.agent.udp.process"


def find(root: Root, device: str) -> tuple[int, int] | None:
    """The process that carries packets for a device of this root, here: its PID, and a descriptor of it; None for none.

    Its command line tells, if it is one of ours: whoever else writes the same there is another user.
    """
    for name in filter(str.isdigit, os.listdir("/proc")):
        if _is_proxy(name, root, device):
            try:
                process = os.pidfd_open(int(name))
            except ProcessLookupError:
                continue
            if _is_proxy(name, root, device):  # the number is not another's by now
                return int(name), process
            os.close(process)
    return None


def _is_proxy(pid: str, root: Root, device: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        if len(words) < 4 or MODULE.encode() not in words[-4] or words[-3] != root.path.encode():
            return False
        ours = os.stat(f"/proc/{pid}").st_uid == os.geteuid()
        here = os.path.samestat(os.stat(f"/proc/{pid}/ns/net"), os.stat("/proc/self/ns/net"))
        return ours and here and json.loads(words[-2])["device"] == device
    except (OSError, ValueError, LookupError, TypeError):
        return False
