"""The two programs of backend `udp`'s fast path, as the kernel's virtual machine takes them.

    container --> flannel0 [sending] ==> UDP, port 8285 ==> the link to the others
    container <-- flannel0 <================ [receiving] the link to the others

What goes on from the one comes to the device and its proxy, and from the other to the proxy's socket.

What a kernel sends so has no UDP checksum, and what a proxy sends has one: by that the other side tells them apart.
"""

from __future__ import annotations

import ipaddress
from _socket import AF_INET, inet_pton
from struct import Struct
from sys import byteorder

from netkit.kernel.instructions import BYTE, HALF, LONG, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, STACK, WORD, Code
from netkit.kernel.packetcode import DATA, LOOK_UP, PLAIN4, SIZE, TAGGED, TCP, UDP, at_least, end, only_if, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: A key of the map of peers, how many bits of an address count and these; what is there: the peer's address and port,
#: whether it takes what a kernel sends, and packets and bytes out and in.
KEY, PEER = Struct("=I4s"), Struct("=4s2sHQQQQ")
_ADDRESS, _PORT, _TAKES, _OUT, _IN = 0, 4, 6, 8, 24
#: The kernel's helpers that are called.
_REDIRECT, _PULL, _CHANGE_HEAD, _ADJUST_ROOM, _ROUTE, _REDIRECT_TO = 23, 39, 43, 50, 69, 152
#: struct __sk_buff: how long the parts are of a packet that is to be cut into many.
_PART = 176
#: Where IPv4 has its head's length, its own length, fragment, protocol, source, destination.
_HEAD, _WHOLE, _FRAGMENT, _PROTOCOL, _SOURCE, _DESTINATION = 0, 2, 6, 9, 12, 16
_IP, _UDP_HEAD, _ETHERNET = 20, 8, 14
_AROUND = _IP + _UDP_HEAD
_LARGEST, _DROP = 0xFFFF, 2
#: Room is made or taken right behind the MAC header; the parts stay as long as they are; it is IPv4 with UDP that comes
#: around (or went).
_MAC, _SAME_PARTS, _AROUND_IT = 1, 1, 1 | 2 | 16
#: struct bpf_fib_lookup: the family, protocol, ports, the length, where it comes from, both addresses.
_FIB, _FAMILY, _L4, _FROM_PORT, _TO_PORT, _TOTAL, _LINK, _FROM, _TO = 64, 0, 1, 2, 4, 6, 8, 16, 32
#: Leave the neighbour to those who send; the packet goes to a link as if it came from there.
_WITHOUT_NEIGHBOUR, _INTO = 4, 1
#: On the stack: what is asked of the routes, a key.
_AT_FIB, _AT_KEY = -_FIB, -_FIB - KEY.size


def sending(peers: int, device: int, local: str, port: int) -> bytes:
    """Put what leaves the TUN device (its index) into UDP, and send it to the peer that has its destination."""
    source = inet_pton(AF_INET, local)
    code = Code()
    code.copy(R6, R1)
    code.load(R7, WORD, R6, DATA)
    _measure(code)
    _look_up(code, peers, _DESTINATION)
    code.go_if_none(R0, "on")
    code.copy(R8, R0)
    code.load(R1, HALF, R8, _TAKES)
    code.go_if(R1, 0, "on")
    _route(code, device, source, port)
    _grow(code)
    _write(code, source, port)
    _count(code, _OUT)
    _hand_over(code)
    code.place("drop")  # it is half done, and nobody could make sense of it
    code.set(R0, _DROP)
    code.end()
    return end(code)


def receiving(peers: int, device: int, local: str, port: int, leased: Sequence[str]) -> bytes:
    """Take what a peer's kernel has sent to this address and port out of its UDP: it arrives at the TUN device."""
    code = Code()
    code.copy(R6, R1)
    only_if(code, R6, WORD, TAGGED, 0)
    _pull(code, _ETHERNET + _AROUND + _IP)
    only_if(code, R7, HALF, 12, wire(0x0800, 2))
    code.add(R7, _ETHERNET)
    _to_us(code, local, port)
    _one_packet(code)
    _ours(code, leased)
    code.place("ours")
    _from_its_peer(code, peers)
    _room(code, -_AROUND, _SAME_PARTS)
    code.go_unless(R0, 0, "on")
    _count(code, _IN)
    code.set(R1, device)
    code.set(R2, _INTO)
    code.call(_REDIRECT)
    code.end()
    return end(code)


def _measure(code: Code) -> None:
    """On unless it is IPv4 of the length that it says (R9), with room for more; for the route, how long parts are."""
    at_least(code, _IP)
    code.load(R1, BYTE, R7, _HEAD)
    code.keep_bits(R1, 0xF0)
    code.go_unless(R1, 0x40, "on")
    code.load(R9, HALF, R7, _WHOLE)
    code.wire_order(R9)
    code.load(R1, WORD, R6, SIZE)
    code.go_unless_same(R1, R9, "on")
    code.go_if_above(R9, _LARGEST - _AROUND, "on")
    _zero(code, _AT_FIB, _FIB)
    code.copy(R8, R9)
    code.load(R1, WORD, R6, _PART)
    code.go_if(R1, 0, "measured")
    code.copy(R8, R1)
    _part(code)
    code.place("measured")
    code.add(R8, _AROUND)
    code.store(HALF, STACK, _AT_FIB + _TOTAL, R8)


def _hand_over(code: Code) -> None:
    """To the neighbour that the route leads to: the kernel finds its MAC, or asks for it.

    It is to look for the route anew: with a next hop that it is told, it loses what waits for an answer to its ARP, as
    it takes the way by the TUN device for the packet's when the answer has come.
    """
    code.load(R1, WORD, STACK, _AT_FIB + _LINK)
    for register in (R2, R3, R4):
        code.set(register, 0)
    code.call(_REDIRECT_TO)
    code.end()


def _pull(code: Code, size: int) -> None:
    """R7 is the beginning of so many bytes in one piece; on with what is shorter."""
    code.load(R7, WORD, R6, DATA)
    at_least(code, size, "in pieces")
    code.go("whole")
    code.place("in pieces")
    code.copy(R1, R6)
    code.set(R2, size)
    code.call(_PULL)
    code.load(R7, WORD, R6, DATA)
    at_least(code, size)
    code.place("whole")


def _to_us(code: Code, local: str, port: int) -> None:
    """On unless it is UDP without a checksum, whole, to this address and port."""
    only_if(code, R7, BYTE, _HEAD, PLAIN4)
    only_if(code, R7, BYTE, _PROTOCOL, UDP)
    only_if(code, R7, WORD, _DESTINATION, _number(inet_pton(AF_INET, local)))
    code.load(R1, HALF, R7, _FRAGMENT)
    code.go_if_any(R1, wire(0x3FFF, 2), "on")
    only_if(code, R7, HALF, _IP + 2, wire(port, 2))
    only_if(code, R7, HALF, _IP + 6, 0)


def _one_packet(code: Code) -> None:
    """On unless there is one IPv4 packet in it, and nothing else; R9 is how long that is."""
    code.load(R1, BYTE, R7, _AROUND + _HEAD)
    code.keep_bits(R1, 0xF0)
    code.go_unless(R1, 0x40, "on")
    code.load(R1, HALF, R7, _WHOLE)
    code.wire_order(R1)
    code.load(R9, HALF, R7, _AROUND + _WHOLE)
    code.wire_order(R9)
    code.copy(R2, R9)
    code.add(R2, _AROUND)
    code.go_unless_same(R1, R2, "on")


def _from_its_peer(code: Code, peers: int) -> None:
    """On unless whoever sent it is the peer (R8) that has its source: else somebody lies."""
    _look_up(code, peers, _AROUND + _SOURCE)
    code.go_if_none(R0, "on")
    code.copy(R8, R0)
    code.load(R1, WORD, R8, _ADDRESS)
    code.load(R2, WORD, R7, _SOURCE)
    code.go_unless_same(R1, R2, "on")
    code.load(R1, HALF, R8, _PORT)
    code.load(R2, HALF, R7, _IP)
    code.go_unless_same(R1, R2, "on")


def _part(code: Code) -> None:
    """R8 is how long a part is: it becomes how long its packet is, if it is TCP in plain IPv4; others go on."""
    only_if(code, R7, BYTE, _HEAD, PLAIN4)
    only_if(code, R7, BYTE, _PROTOCOL, TCP)
    at_least(code, _IP + 20)
    code.load(R1, BYTE, R7, _IP + 12)
    code.shift(R1, 4)
    for _ in range(4):
        code.add_register(R8, R1)
    code.add(R8, _IP)


def _route(code: Code, device: int, source: bytes, port: int) -> None:
    """Ask by which link and to whom it goes; on unless it goes at all, and whole."""
    code.store_number(BYTE, STACK, _AT_FIB + _FAMILY, AF_INET)
    code.store_number(BYTE, STACK, _AT_FIB + _L4, UDP)
    code.store_number(HALF, STACK, _AT_FIB + _FROM_PORT, wire(port, 2))
    code.load(R1, HALF, R8, _PORT)
    code.store(HALF, STACK, _AT_FIB + _TO_PORT, R1)
    code.store_number(WORD, STACK, _AT_FIB + _LINK, device)
    code.store_number(WORD, STACK, _AT_FIB + _FROM, _number(source))
    code.load(R1, WORD, R8, _ADDRESS)
    code.store(WORD, STACK, _AT_FIB + _TO, R1)
    code.copy(R1, R6)
    code.copy(R2, STACK)
    code.add(R2, _AT_FIB)
    code.set(R3, _FIB)
    code.set(R4, _WITHOUT_NEIGHBOUR)
    code.call(_ROUTE)
    code.go_unless(R0, 0, "on")
    code.load(R1, BYTE, STACK, _AT_FIB + _FAMILY)
    code.go_unless(R1, AF_INET, "on")  # a router may have an IPv6 address alone


def _grow(code: Code) -> None:
    """Room for the three headers around it; the one for MACs is filled in by whoever sends it."""
    _room(code, _AROUND, _AROUND_IT)
    code.go_unless(R0, 0, "on")
    code.copy(R1, R6)
    code.set(R2, _ETHERNET)
    code.set(R3, 0)
    code.call(_CHANGE_HEAD)
    code.go_unless(R0, 0, "drop")


def _write(code: Code, source: bytes, port: int) -> None:
    """IPv4 and UDP around it; R9 is how long it is without."""
    code.load(R7, WORD, R6, DATA)
    at_least(code, _ETHERNET + _AROUND, "drop")
    code.add(R7, _ETHERNET)
    code.copy(R3, R9)
    code.add(R3, _AROUND)
    code.wire_order(R3)
    code.load(R5, WORD, R8, _ADDRESS)
    code.store_number(HALF, R7, _HEAD, wire(PLAIN4 << 8, 2))
    code.store(HALF, R7, _WHOLE, R3)
    code.store_number(WORD, R7, 4, _number(bytes.fromhex("00004000")))
    code.store_number(HALF, R7, 8, wire(64 << 8 | UDP, 2))
    code.store_number(WORD, R7, _SOURCE, _number(source))
    code.store(WORD, R7, _DESTINATION, R5)
    _sum(code, source)
    code.store(HALF, R7, 10, R3)
    code.store_number(HALF, R7, _IP, wire(port, 2))
    code.load(R1, HALF, R8, _PORT)
    code.store(HALF, R7, _IP + 2, R1)
    code.copy(R1, R9)
    code.add(R1, _UDP_HEAD)
    code.wire_order(R1)
    code.store(HALF, R7, _IP + 4, R1)
    code.store_number(HALF, R7, _IP + 6, 0)


def _sum(code: Code, source: bytes) -> None:
    """R3, the length as it is written, becomes the head's checksum; R5 is the destination."""
    same = (wire(PLAIN4 << 8, 2), wire(0x4000, 2), wire(64 << 8 | UDP, 2), *(_half(source, at) for at in (0, 2)))
    code.add(R3, sum(same))
    code.copy(R1, R5)
    code.keep_bits(R1, 0xFFFF)
    code.add_register(R3, R1)
    code.shift(R5, 16)
    code.add_register(R3, R5)
    for _ in range(2):
        code.copy(R1, R3)
        code.shift(R1, 16)
        code.keep_bits(R3, 0xFFFF)
        code.add_register(R3, R1)
    code.flip_bits(R3, 0xFFFF)


def _ours(code: Code, leased: Sequence[str]) -> None:
    """To "ours" with what goes to one of these subnets; on with all others."""
    for cidr in leased:
        net = ipaddress.IPv4Network(cidr)
        code.load(R1, WORD, R7, _AROUND + _DESTINATION)
        code.keep_bits(R1, _number(net.netmask.packed))
        code.go_if(R1, _number(net.network_address.packed), "ours")
    code.go("on")


def _look_up(code: Code, peers: int, at: int) -> None:
    """R0 is where the map has the peer of the address at that place of the packet."""
    code.store_number(WORD, STACK, _AT_KEY, 32)
    code.load(R1, WORD, R7, at)
    code.store(WORD, STACK, _AT_KEY + 4, R1)
    code.map(R1, peers)
    code.copy(R2, STACK)
    code.add(R2, _AT_KEY)
    code.call(LOOK_UP)


def _room(code: Code, size: int, flags: int) -> None:
    code.copy(R1, R6)
    code.set(R2, size)
    code.set(R3, _MAC)
    code.set(R4, flags)
    code.call(_ADJUST_ROOM)


def _count(code: Code, at: int) -> None:
    """One packet more of R9 bytes, for the peer in R8."""
    code.set(R1, 1)
    code.add_in_memory(R8, at, R1)
    code.add_in_memory(R8, at + 8, R9)


def _zero(code: Code, at: int, size: int) -> None:
    code.set(R1, 0)
    for offset in range(at, at + size, 8):
        code.store(LONG, STACK, offset, R1)


def _half(packed: bytes, at: int) -> int:
    return int.from_bytes(packed[at : at + 2], byteorder)


def _number(packed: bytes) -> int:
    return int.from_bytes(packed, byteorder)
