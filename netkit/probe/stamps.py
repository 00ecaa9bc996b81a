"""Waiting until the kernel stamps packets as they pass, so that copies seen in several namespaces can be put in order.

The first socket that asks for stamps makes the kernel begin with them, but not at once: a worker does it. Until then a
packet is stamped when it is read, and the order of reading would be taken for that of passing.
"""

from __future__ import annotations

import _socket
import contextlib
import struct
import time

#: SO_TIMESTAMPNS: nanoseconds since 1970, as a struct timespec beside the data.
SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@ll")
_TRIES, _PAUSE = 100, 0.002


def read_stamp(value: bytes) -> int:
    """Nanoseconds since 1970."""
    seconds, rest = _TIMESPEC.unpack(value[: _TIMESPEC.size])
    return int(seconds) * 1_000_000_000 + int(rest)


def wait_for_stamps() -> None:
    """Return when datagrams of our own get theirs in passing, or after a while where we cannot send any."""
    kind = _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
    with contextlib.closing(_socket.socket(_socket.AF_INET, kind)) as own:
        own.setsockopt(_socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        own.bind(("127.0.0.1", 0))
        for _ in range(_TRIES):
            if _stamped_in_passing(own):
                return
            time.sleep(_PAUSE)


def _stamped_in_passing(own: _socket.socket) -> bool:
    try:
        own.sendto(b"", own.getsockname())
        sent = time.time_ns()
        told = own.recvmsg(1, 64)[1]
    except OSError:  # nothing there yet, or no way: lo is down, or a firewall is in it
        return False
    return any(read_stamp(value) <= sent for _, kind, value in told if kind == SO_TIMESTAMPNS)
