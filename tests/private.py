"""The private host that all root tests run in: pytest itself moves into fresh network and mount namespaces.

Nothing that a test does, or leaves behind, can reach the machine's own links, firewall, /run or /var/lib/netkit.
`unshare(2)` is called in place: no second process, so debuggers, coverage and `pytest -k` work as ever.
"""

from __future__ import annotations

import ctypes
import os
import subprocess

_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_LASTING = "/var/lib/netkit"

#: The namespace that pytest was started in; the guard refuses it ever after.
STARTED_IN = os.stat("/proc/self/ns/net").st_ino


def enter() -> str:
    """Move this process into its private host; the reason why that cannot be, or ""."""
    if os.geteuid() != 0:
        return "needs root"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        return f"needs network namespaces: {os.strerror(ctypes.get_errno())}"
    if libc.unshare(_CLONE_NEWNS) != 0:
        return f"needs mount namespaces: {os.strerror(ctypes.get_errno())}"
    _mount("--make-rprivate", "/")
    _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    _hide_lasting_state()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return ""


def _hide_lasting_state() -> None:
    """Put a tmpfs where lasting state goes; its mount point is made in a layer over /var/lib, not on the machine.

    Without overlayfs in the kernel the machine does get an empty directory, which stays: to remove it could take the
    mount away from another run at this moment.
    """
    for layer in ("/run/upper", "/run/work"):
        os.mkdir(layer)
    layers = "lowerdir=/var/lib,upperdir=/run/upper,workdir=/run/work"
    subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", "/var/lib"], capture_output=True, check=False)
    os.makedirs(_LASTING, exist_ok=True)
    _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", _LASTING)


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
