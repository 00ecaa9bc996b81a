"""Where a process of the agent is asked: a socket in a directory of state, for root alone."""

from __future__ import annotations

import contextlib
import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.files import Directory


def listen(directory: Directory, name: str, waiting: int) -> socket.socket:
    """A socket in this directory, by way of its descriptor: a path may be too long for an address."""
    path = f"/proc/self/fd/{directory.fd}/{name}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    listener.listen(waiting)
    return listener
