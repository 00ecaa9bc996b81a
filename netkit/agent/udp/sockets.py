"""The UDP socket of a proxy: large buffers, many datagrams at once each way, and none without a checksum."""

from __future__ import annotations

import ctypes
import socket
import struct

from netkit.errors import ConflictError, HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.agent.udp.table import Endpoint

UDP_SEGMENT, UDP_GRO = 103, 104
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE, _SO_ATTACH_FILTER, _SO_MEMINFO = 32, 33, 26, 55
_DROPS = 8 * 4
#: What bursts of all peers together may take until we come to read them.
_BUFFER = 8 << 20
#: `ldh [6]; jeq #0, drop; ret #-1; drop: ret #0`: a filter of a UDP socket sees the UDP header first.
_SUMMED = struct.pack("=" + "HBBI" * 4, 0x28, 0, 0, 6, 0x15, 1, 0, 0, 0x06, 0, 0, 0xFFFFFFFF, 0x06, 0, 0, 0)


def open_socket(listen: Endpoint) -> socket.socket:
    """A bound socket that never waits; ConflictError when the port is taken, HostError when the address is not here."""
    family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        _tune(opened)
        opened.bind(listen)
    except OSError as error:
        opened.close()
        where = f"{listen[0]} port {listen[1]}/udp"
        if error.errno == 98:
            raise ConflictError(f"{where} is taken", "another flannel or netkit? see ss -lunp") from error
        raise HostError(f"cannot listen on {where}: {error.strerror}", "is the address on this host?") from error
    return opened


def unread(opened: socket.socket) -> int:
    """How many datagrams came to the socket and were never read: no room, a wrong checksum or none."""
    return int(struct.unpack_from("=I", opened.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36), _DROPS)[0])


def segments(size: int) -> list[tuple[int, int, bytes]]:
    """What tells the kernel to cut a send into datagrams of this size."""
    return [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", size))]


def datagram_size(ancillary: list[tuple[int, int, bytes]], length: int) -> int:
    """The size of the datagrams that were received together; the last may be shorter."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_UDP, UDP_GRO):
            return int(struct.unpack_from("=i", data)[0]) or length
    return length


def _tune(opened: socket.socket) -> None:
    if opened.family == socket.AF_INET6:  # the kernel itself refuses IPv6 datagrams without a checksum
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    else:
        code = ctypes.create_string_buffer(_SUMMED)
        opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 4, ctypes.addressof(code)))
    for option in (_SO_SNDBUFFORCE, _SO_RCVBUFFORCE):
        opened.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
    opened.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
