"""The private host that all root tests run in: pytest itself moves into fresh network and mount namespaces.

Nothing that a test does, or leaves behind, can reach the machine's own links, firewall, /run or /var/lib/netkit.
`unshare(2)` is called in place: no second process, so debuggers, coverage and `pytest -k` work as ever.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_LASTING = Path("/var/lib/netkit")

#: The namespace that pytest was started in; the guard refuses it ever after.
STARTED_IN = os.stat("/proc/self/ns/net").st_ino


def enter() -> str:
    """Move this process into its private host; the reason why that cannot be, or ""."""
    if os.geteuid() != 0:
        return "needs root"
    libc = ctypes.CDLL(None, use_errno=True)
    made = not _LASTING.exists()
    if libc.unshare(_CLONE_NEWNET) != 0:
        return f"needs network namespaces: {os.strerror(ctypes.get_errno())}"
    if libc.unshare(_CLONE_NEWNS) != 0:
        return f"needs mount namespaces: {os.strerror(ctypes.get_errno())}"
    _mount("--make-rprivate", "/")
    _mount("-t", "tmpfs", "tmpfs", "/run")
    if made:
        _LASTING.mkdir(parents=True)
    _mount("-t", "tmpfs", "tmpfs", str(_LASTING))
    if made:
        os.environ["NETKIT_TEST_MOUNTPOINT"] = str(_LASTING)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return ""


def leave() -> None:
    """Take away the empty directory that `enter` had to make as a mount point."""
    if made := os.environ.pop("NETKIT_TEST_MOUNTPOINT", None):
        subprocess.run(["umount", made], check=True)
        os.rmdir(made)


def guard() -> None:
    """Refuse to go on in the machine's own network namespace."""
    here = os.stat("/proc/self/ns/net").st_ino
    if here == STARTED_IN or here == _initial():
        raise RuntimeError("a root test must never run in the machine's own network namespace")


def _initial() -> int:
    try:
        return os.stat("/proc/1/ns/net").st_ino
    except PermissionError:  # a hardened machine hides it even from root
        return 0


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)
