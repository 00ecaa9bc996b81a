"""Every frame that passes a namespace's links, through one AF_PACKET socket; no libpcap.

The kernel hands a copy of each frame with the link that it passed, its direction and the time. It takes an 802.1Q tag
out of the frame and tells it beside it, and frames of links without Ethernet (tun) come bare: both are put back here,
so that all that is seen are whole Ethernet frames.
"""

from __future__ import annotations

import _socket
import errno
import struct

from netkit.errors import HostError, KernelError, NotFoundError
from netkit.probe.pcap import SNAPLEN
from netkit.probe.stamps import SO_TIMESTAMPNS, read_stamp
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.kernel.namespaces import Handle

_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_STATISTICS, _PACKET_AUXDATA = 263, 6, 8
_SO_RCVBUFFORCE, _SO_ATTACH_FILTER = 33, 26
_OUTGOING = 4
_ETHERNETS = frozenset({1, 772})
_BUFFER = 8 << 20
_VLAN_VALID, _VLAN_TPID_VALID = 0x10, 0x40
_AUXDATA = struct.Struct("=IIIHHHH")
_ANCILLARY, _INSTRUCTION, _VLAN = 256, 8, 0x8100


class Frame(Value):
    """A frame, where and when it was seen. `time` is in nanoseconds since 1970, `length` what it was on the wire."""

    data: bytes
    link: str
    outgoing: bool
    time: int
    length: int


class Sniffer:
    """A socket that sees what passes some links of a namespace, or all of them. Close it.

    `program` (see `bpf`) spares us what nobody wants, as far as it can tell. NotFoundError when a link is not there.
    """

    def __init__(self, handle: Handle, links: Sequence[str] = (), program: bytes = b"") -> None:
        rtnl = handle.socket()
        for name in links:
            if rtnl.link(name) is None:
                raise NotFoundError(f"there is no link {name}", "`ip link` lists them")
        self._links = frozenset(links)
        self._dropped = 0
        self._socket = handle.call(lambda: _open(links[0] if len(links) == 1 else "", program))

    def fileno(self) -> int:
        """The descriptor to wait on: readable when a frame is there."""
        return self._socket.fileno()

    def read(self) -> Frame | None:
        """The next frame, None when there is none (any more) just now."""
        while True:
            try:
                data, told, _, where = self._socket.recvmsg(SNAPLEN, _ANCILLARY, _socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno == errno.ENETDOWN:
                    continue  # a link went down; frames of others, or of its next life, may still come
                raise KernelError(f"cannot read packets: {error.strerror}", error.errno or 0) from error
            link, protocol, kind, hardware = where[:4]
            if not self._links or link in self._links:
                return _frame(data, told, link, protocol, kind == _OUTGOING, hardware)

    def dropped(self) -> int:
        """How many frames the kernel threw away since the start because nobody read them in time."""
        _, drops = struct.unpack("=II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        self._dropped += drops  # the kernel counts anew after each answer
        return self._dropped

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _open(link: str, program: bytes) -> _socket.socket:
    """A socket on one link, on all when it is ""."""
    try:
        every = 0 if link else _socket.htons(_ETH_P_ALL)
        sock = _socket.socket(_socket.AF_PACKET, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, every)
    except OSError as error:
        raise HostError(f"cannot open a packet socket: {error.strerror}", "this takes CAP_NET_RAW") from error
    try:
        sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        sock.setsockopt(_socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        _enlarge(sock)
        if program:
            _attach(sock, program)
        if link:
            sock.bind((link, _ETH_P_ALL))
    except OSError as error:
        sock.close()
        raise HostError(f"cannot capture on {link or 'all links'}: {error.strerror}", "is the link there?") from error
    return sock


def _attach(sock: _socket.socket, program: bytes) -> None:
    """Hand the kernel a struct sock_fprog: a count, and the address of the instructions."""
    import ctypes

    held = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _INSTRUCTION
    sock.setsockopt(_socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(held)))


def _enlarge(sock: _socket.socket) -> None:
    """More room for bursts, as far as we may."""
    try:
        sock.setsockopt(_socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except OSError:
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, _BUFFER)


def _frame(
    data: bytes, told: list[tuple[int, int, bytes]], link: str, protocol: int, outgoing: bool, hardware: int
) -> Frame:
    time, tag, length = 0, b"", len(data)
    for level, kind, value in told:
        if (level, kind) == (_socket.SOL_SOCKET, SO_TIMESTAMPNS):
            time = read_stamp(value)
        elif (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            tag, length = _told(value)
    if hardware not in _ETHERNETS:
        data, length = bytes(12) + protocol.to_bytes(2, "big") + data, length + 14
    if tag:
        data, length = data[:12] + tag + data[12:], length + len(tag)
    return Frame(data, link, outgoing, time, length)


def _told(auxdata: bytes) -> tuple[bytes, int]:
    """The VLAN tag that the kernel took out, and the length on the wire."""
    status, length, _, _, _, tci, tpid = _AUXDATA.unpack(auxdata[: _AUXDATA.size])
    if not status & _VLAN_VALID:
        return b"", length
    return struct.pack(">HH", tpid if status & _VLAN_TPID_VALID else _VLAN, tci), length
