"""What changes in the kernel: links, routes, neighbours, forwarding entries; as it is told by rtnetlink.

Who listens must look for itself what is true: events may be lost when there are many (ENOBUFS), and come late.
"""

from __future__ import annotations

import errno
import socket
import struct

from netkit.errors import HostError
from netkit.value import Value

#: RTMGRP_LINK | NEIGH | IPV4_ROUTE | IPV6_ROUTE; forwarding entries are told to who listens to neighbours.
_GROUPS = 0x1 | 0x4 | 0x40 | 0x400
_RCVBUF = 1 << 20
_SO_RCVBUFFORCE = 33
_NEWLINK, _DELLINK, _NEWROUTE, _DELROUTE, _NEWNEIGH, _DELNEIGH = 16, 17, 24, 25, 28, 29
_HEADER = struct.Struct("=IHHII")
_KINDS = {_NEWLINK: "link", _DELLINK: "link", _NEWROUTE: "route", _DELROUTE: "route", _NEWNEIGH: "neigh",
          _DELNEIGH: "neigh"}  # fmt: skip
#: NUD_PERMANENT | NUD_NOARP: entries that someone has made; the others come and go by themselves.
_MADE = 0xC0
LOST = "lost"


class Event(Value):
    """A `link`, `route` or `neigh` (a forwarding entry, too) that is new, changed, or `gone`; or `lost`: all may be.

    `index` is the link's, 0 where the message does not say at once.
    """

    kind: str
    index: int = 0
    gone: bool = False


class Events:
    """A socket that hears what happens in this process's network namespace."""

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RCVBUF)
            self._socket.bind((0, _GROUPS))
        except OSError as error:
            raise HostError(f"cannot hear of changes in the kernel: {error.strerror}", "is this root?") from error
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def heard(self) -> set[Event]:
        """All that happened since the last call."""
        found: set[Event] = set()
        while True:
            try:
                found.update(_events(self._socket.recv(1 << 16)))
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                found.add(Event(LOST))


def _events(data: bytes) -> list[Event]:
    found = []
    while len(data) >= _HEADER.size:
        length, what, *_ = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            break
        if what in _KINDS and (event := _event(what, data[:length])):
            found.append(event)
        data = data[length + 3 & ~3 :]
    return found


def _event(what: int, message: bytes) -> Event | None:
    kind, gone = _KINDS[what], what in (_DELLINK, _DELROUTE, _DELNEIGH)
    if kind == "route" or len(message) < 26:
        return Event(kind, 0, gone)
    index, state = struct.unpack_from("=iH", message, 20)
    if what == _NEWNEIGH and not state & _MADE:
        return None
    return Event(kind, index, gone)
