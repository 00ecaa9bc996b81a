"""A file that one process and its children see in place of another: a private mount, gone with the last of them."""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NEW_MOUNTS = 0x00020000
_NOSUID, _NODEV, _NOEXEC, _BIND, _RECURSIVE, _SLAVE = 2, 4, 8, 4096, 16384, 1 << 19
_DETACH = 2
#: A directory that is there everywhere; it is covered for a moment, in a mount namespace that nobody else is in.
_WORKBENCH = "/tmp"  # noqa: S108 - what is written there is on a file system of our own


def cover(path: str, text: str) -> None:
    """Give the calling process a mount namespace of its own where the file at `path` holds `text`; or OSError.

    The text is on a file system in memory that no directory leads to, so nothing is left on disk however the process
    ends. Mounts that the host makes later still arrive.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
    target, made = os.path.realpath(path), f"{_WORKBENCH}/file"
    _done(libc.unshare(_NEW_MOUNTS))
    _done(libc.mount(None, b"/", None, _RECURSIVE | _SLAVE, None))
    _done(libc.mount(b"netkit", _WORKBENCH.encode(), b"tmpfs", _NOSUID | _NODEV | _NOEXEC, b"size=64k,mode=0755"))
    with open(made, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o644)
    _done(libc.mount(made.encode(), target.encode(), None, _BIND, None))
    _done(libc.umount2(_WORKBENCH.encode(), _DETACH))


def _done(status: Any) -> None:
    if status:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
