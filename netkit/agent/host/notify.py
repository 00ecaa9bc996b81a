"""Telling systemd how we are (sd_notify): a datagram to the socket that it names."""

from __future__ import annotations

import os
import socket

from netkit.errors import HostError

#: So long a systemd that does not read may make us wait, in seconds: who looks after routes has no time for more.
_PATIENCE = 2.0


def notify(state: str) -> None:
    """Send `READY=1`, `STATUS=...` or `STOPPING=1`; nothing where nobody listens."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place:
        return
    if place[0] not in "/@":
        raise HostError(f"NOTIFY_SOCKET={place} is no socket", "systemd sets it; unset it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.settimeout(_PATIENCE)
        try:
            line.connect("\0" + place[1:] if place[0] == "@" else place)  # else poll says that we may send, on and on
            line.send(state.encode())
        except OSError:
            return  # who started us has gone, or hangs: nobody is left to tell
