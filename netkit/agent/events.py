"""What changes in the kernel: links, routes, neighbours, forwarding entries, namespaces; as rtnetlink tells it.

Who listens must look for itself what is true: events may be lost when there are many (ENOBUFS), and come late.
"""

from __future__ import annotations

import errno
import socket
import struct

from netkit.errors import HostError
from netkit.kernel.wire import answers
from netkit.value import Value

#: RTMGRP_LINK | NEIGH | IPV4_ROUTE | IPV6_ROUTE, and RTNLGRP_NSID; forwarding entries are told with neighbours.
_GROUPS = 0x1 | 0x4 | 0x40 | 0x400 | 1 << 27
_RCVBUF = 1 << 20
_SO_RCVBUFFORCE = 33
#: RTM_*: what it is about, and whether that is gone.
_KINDS = {
    16: ("link", False),
    17: ("link", True),
    24: ("route", False),
    25: ("route", True),
    28: ("neigh", False),
    29: ("neigh", True),
    89: ("namespace", True),
}
#: The ifindex in a link's or a neighbour's message, and the state of a neighbour.
_HEAD = struct.Struct("=xxxxiH")
#: NUD_PERMANENT | NUD_NOARP: entries that someone has made; the others come and go by themselves.
_MADE = 0xC0
LOST = "lost"


class Event(Value):
    """A `link`, `route` or `neigh` (a forwarding entry, too) that is new, changed, or `gone`; or `lost`: all may be.

    Of a `namespace` only that it has gone is told, and only where it had a number here. `index` is the link's, 0 where
    the message does not say at once.
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
                for what, _, _, payload in answers(self._socket.recv(1 << 16)):
                    if what in _KINDS and (event := _event(*_KINDS[what], payload)):
                        found.add(event)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                found.add(Event(LOST))


def _event(kind: str, gone: bool, payload: bytes) -> Event | None:
    if kind in ("route", "namespace") or len(payload) < _HEAD.size:
        return Event(kind, 0, gone)
    index, state = _HEAD.unpack_from(payload)
    if kind == "neigh" and not gone and not state & _MADE:
        return None
    return Event(kind, index, gone)
