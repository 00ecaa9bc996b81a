"""Many packets of one flow as one large packet, for the kernel to carry on as one; all pure.

Packets of one TCP or UDP flow that follow each other differ in what is counted or summed alone, so all are compared at
once: the headers that would follow from the first one are made, and set against those that are there. What differs from
packet to packet is a column, every n-th byte of the headers, which Python moves in one step.

The inner checksums of merged packets are not verified: the kernel fills them in anew. The datagrams around them were
summed, by the sender over what its kernel had summed, and verified here; a datagram without a checksum is not taken.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from netkit.agent.udp.tun import GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, HEADER, NEEDS_CSUM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from netkit.agent.udp.received import Received

    class Shape(NamedTuple):
        """Where the parts of a packet are; `kind` is a GSO type, or 0 when it must go alone."""

        kind: int
        source: slice
        destination: slice
        l4: int
        payload: int
else:
    from collections import namedtuple

    Shape = namedtuple("Shape", "kind source destination l4 payload")

_TCP, _UDP = 6, 17
_LARGEST = 0xFFFF
_ACK, _PUSH, _ECE = 0x10, 0x08, 0x40
_WITHOUT_PUSH = bytes(flags & ~_PUSH for flags in range(256))
_PUSH_ALONE = bytes(flags & _PUSH for flags in range(256))
_SOURCE4, _DESTINATION4, _SOURCE6, _DESTINATION6 = slice(12, 16), slice(16, 20), slice(8, 24), slice(24, 40)


def dissect(packet: memoryview) -> Shape | None:
    """What kind of packet this is; None for one that no kernel would take."""
    size = len(packet)
    if size >= 20 and packet[0] >> 4 == 4:
        return _dissect4(packet, size)
    if size < 40 or packet[0] >> 4 != 6 or (packet[4] << 8) + packet[5] != size - 40:
        return None
    return _shape(packet, size, packet[6], 40, _SOURCE6, _DESTINATION6)


def _dissect4(packet: memoryview, size: int) -> Shape | None:
    header = (packet[0] & 15) * 4
    if not 20 <= header <= size or (packet[2] << 8) + packet[3] != size:
        return None
    fragment = packet[6] & 0x3F or packet[7]
    protocol = packet[9] if header == 20 and not fragment else 0
    return _shape(packet, size, protocol, header, _SOURCE4, _DESTINATION4)


def _shape(packet: memoryview, size: int, protocol: int, l4: int, source: slice, destination: slice) -> Shape:
    if protocol == _TCP and size >= l4 + 20:
        payload = l4 + (packet[l4 + 12] >> 4) * 4
        if l4 + 20 <= payload < size and packet[l4 + 13] & ~(_PUSH | _ECE) == _ACK:
            return Shape(GSO_TCPV4 if l4 == 20 else GSO_TCPV6, source, destination, l4, payload)
    if protocol == _UDP and size > l4 + 8 and (packet[l4 + 4] << 8) + packet[l4 + 5] == size - l4:
        summed = packet[l4 + 6] or packet[l4 + 7]
        return Shape(GSO_UDP_L4 if summed else 0, source, destination, l4, l4 + 8)
    return Shape(0, source, destination, l4, size)


def alike(received: Received, place: int, shape: Shape) -> tuple[int, bool]:
    """How many packets from this place on make one large packet, and whether TCP is pushed in one of them."""
    header, size, at = shape.payload, received.size, place * received.size
    count, tail = divmod(received.length - at, size)
    most = (_LARGEST - header) // (size - header)
    count, tail = (count + (tail > header), tail) if count < most else (most, 0)
    heads = bytearray().join(_layout(header, size, count).unpack_from(received.view, at))
    flags = b"" if shape.kind == GSO_UDP_L4 else _take_flags(heads, header, shape.l4 + 13)
    wanted = _wanted(heads, count, size, shape)
    if tail > header:
        _shorten(wanted, (count - 1) * header, tail, shape)
    if heads != wanted:
        difference = int.from_bytes(heads, "big") ^ int.from_bytes(wanted, "big")
        count = (len(heads) - (difference.bit_length() + 7) // 8) // header
    return count, any(flags[:count].translate(_PUSH_ALONE))


@lru_cache(256)
def _layout(header: int, size: int, count: int) -> struct.Struct:
    """What picks the headers out of the buffer: four times as fast as slices."""
    return struct.Struct(f"{header}s{size - header}x" * (count - 1) + f"{header}s")


def _take_flags(heads: bytearray, header: int, column: int) -> bytearray:
    """The TCP flags of all packets, which are rid of push flags where they are."""
    flags = heads[column::header]
    heads[column::header] = flags.translate(_WITHOUT_PUSH)
    return flags


def _wanted(heads: bytearray, count: int, size: int, shape: Shape) -> bytearray:
    """The headers that would follow from the first; those columns that may be anything, as they are."""
    header, l4 = shape.payload, shape.l4
    wanted = heads[:header] * count
    free = (l4 + 6, l4 + 7) if shape.kind == GSO_UDP_L4 else (l4 + 16, l4 + 17)
    for column in (*free, 4, 5, 10, 11) if l4 == 20 else free:
        wanted[column::header] = heads[column::header]
    if shape.kind != GSO_UDP_L4:
        first = int.from_bytes(heads[l4 + 4 : l4 + 8], "big")
        numbers = range(first, first + count * (size - header), size - header)
        sequence = struct.pack(f">{count}I", *(numbers if numbers[-1] < 1 << 32 else [n & 0xFFFFFFFF for n in numbers]))
        for byte in range(4):
            wanted[l4 + 4 + byte :: header] = sequence[byte::4]
    return wanted


def _shorten(heads: bytearray, at: int, size: int, shape: Shape) -> None:
    """Give the header that begins there the lengths of a packet of this size."""
    l4 = shape.l4
    length = at + (2 if l4 == 20 else 4)
    heads[length : length + 2] = (size if l4 == 20 else size - 40).to_bytes(2, "big")
    if shape.kind == GSO_UDP_L4:
        heads[at + l4 + 4 : at + l4 + 6] = (size - l4).to_bytes(2, "big")


def merged(received: Received, place: int, count: int, shape: Shape, pushed: bool) -> list[memoryview | bytes]:
    """So many packets from this place on as one, in buffers for the TUN device."""
    header, at = shape.payload, place * received.size
    length = min(count * received.size, received.length - at) - (count - 1) * header
    large = bytearray(received.view[at : at + header])
    _shorten(large, 0, length, shape)
    if shape.l4 == 20:
        large[10:12] = b"\0\0"
        large[10:12] = (0xFFFF - _sum(large[:20])).to_bytes(2, "big")
    checksum = shape.l4 + (6 if shape.kind == GSO_UDP_L4 else 16)
    protocol = _UDP if shape.kind == GSO_UDP_L4 else _TCP
    pseudo = int.from_bytes(large[shape.source.start : shape.destination.stop], "big") + protocol + length - shape.l4
    large[checksum : checksum + 2] = _fold(pseudo).to_bytes(2, "big")
    if pushed:
        large[shape.l4 + 13] |= _PUSH
    vnet = HEADER.pack(NEEDS_CSUM, shape.kind, header, received.size - header, shape.l4, checksum - shape.l4)
    return [vnet, bytes(large), *received.payloads(place, count, header)]


def _sum(data: bytes | bytearray) -> int:
    """The one's complement sum of 16-bit words: 2**16 is 1 modulo 65535, so that is a remainder."""
    return _fold(int.from_bytes(data, "big"))


def _fold(number: int) -> int:
    """Zero is 0xFFFF there, as the kernel has it, unless all is zero."""
    return number % 0xFFFF or (0xFFFF if number else 0)
