"""The three programs of an overlay's fast path, as the kernel's virtual machine takes them.

Each ends in one of two ways: the frame goes where it ought to at once, or "on": to others' programs and to the bridge,
as if there were no such path. Whatever is not plainly what it looks for goes on.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton
from sys import byteorder

from netkit.kernel.instructions import BYTE, HALF, LONG, R0, R1, R2, R3, R4, R6, R7, R8, R9, STACK, WORD, Code
from netkit.model import family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: For so many of its seconds (of 2^30 ns) a MAC counts as heard.
FRESH = 60
#: For so many its frames may be opened at the underlay; then one goes the tunnel's way, whose guard sees it again.
SEEN = 15
#: Bytes of a key, which is a MAC; of what two maps have for it: a link's index, a time. Bytes of a peer's address.
KEY, INDEX, TIME, PEER = 8, 4, 8, 16
#: The kernel's helpers that are called.
_LOOK_UP, _UPDATE, _REDIRECT, _CHANGE_TYPE, _RESIZE, _REDIRECT_PEER, _NOW = 1, 2, 23, 32, 50, 155, 160
#: struct __sk_buff: the packet's size, whom it is for, whether a VLAN tag was taken off, its beginning and its end, and
#: how much of it each of those packets has that were joined to be this one.
_SIZE, _FOR, _TAGGED, _DATA, _END, _JOINED = 0, 4, 20, 76, 80, 176
#: Where a frame has its MACs and its type, IPv4 its head's length, fragment, protocol and source, IPv6 the same.
_TO, _FROM, _TYPE, _IP = 0, 6, 12, 14
_LENGTH4, _PROTOCOL4, _SOURCE4, _BEYOND4 = _IP, _IP + 9, _IP + 12, _IP + 20
_PROTOCOL6, _SOURCE6, _BEYOND6 = _IP + 6, _IP + 8, _IP + 40
_FRAGMENT4, _TARGET4, _TARGET6 = _IP + 6, _IP + 16, _IP + 24
_PLAIN4 = 0x45
#: What a tunnel puts before a frame; VXLAN's flags, which say that a VNI follows, and how the packet is made shorter.
_OUTER4, _OUTER6 = _BEYOND4 + 16, _BEYOND6 + 16
_HAS_VNI, _AFTER_MACS, _AS_JOINED, _TO_IPV4, _TO_IPV6 = 0x08000000, 1, 1, 128, 256
_TCP, _UDP, _ICMP6 = 6, 17, 58
#: Ports that only servers of DHCP send from; echo and its answer.
_DHCP4, _DHCP6, _ECHO = 67, 547, (128, 129)
_ON, _AWAY = -1, 2


def from_tunnel(ports: int, heard: int) -> bytes:
    """To a frame's port at once, past the host's end of its cable; and note who sent it.

    `ports` and `heard` are descriptors of the maps. Who sends as an interface of this host is left to the bridge.
    """
    code = Code()
    _begin(code, _TYPE + 2)
    _note(code, ports, heard)
    code.load(R1, HALF, R7, _TYPE)
    code.go_if(R1, _wire(0x0800, 2), "IP")
    code.go_unless(R1, _wire(0x86DD, 2), "on")
    code.place("IP")
    _port(code, ports)
    code.copy(R1, R6)
    code.set(R2, 0)
    code.call(_CHANGE_TYPE)  # to "for us": it came to the tunnel's MAC, not to the container's
    _redirect(code, R8, _REDIRECT_PEER)
    return _end(code)


def from_underlay(ports: int, heard: int, peers: int, local: str, port: int, vni: int) -> bytes:
    """Open what the tunnel of a peer sends to ours, if its frame is from one who was seen, and give it to its port.

    What the guard of the tunnel asks is asked here, too. The outer checksum is not verified, as RFC 7348 (4.1) allows:
    inner ones are. Datagrams that were joined are left to the tunnel: the kernel would take them for a tunnel's.
    """
    code = Code()
    six = family(local) == 6
    outer, udp = (_OUTER6, _BEYOND6) if six else (_OUTER4, _BEYOND4)
    _begin(code, outer + _BEYOND4)
    _is(code, R6, WORD, _FOR, 0)
    (_for_us6 if six else _for_us4)(code, local)
    _is(code, R7, HALF, udp + 2, _wire(port, 2))
    _is_size(code, udp + 4, udp)
    _is(code, R7, WORD, udp + 8, _wire(_HAS_VNI, 4))
    _is(code, R7, WORD, udp + 12, _wire(vni << 8, 4))
    _is_peer(code, peers, _SOURCE6 if six else _SOURCE4, 16 if six else 4)
    code.add(R7, outer)
    _inside(code)
    _heard_within(code, heard, _FROM, SEEN)
    _port(code, ports)
    _open(code, outer)
    _redirect(code, R8, _REDIRECT_PEER)
    code.place("lost")
    code.set(R0, _AWAY)
    code.end()
    return _end(code)


def from_port(heard: int, tunnel: int, mac: str, addresses: Sequence[str]) -> bytes:
    """Into the tunnel (its index) what the port's own MAC sends, from one of its addresses, to one that was heard."""
    own = bytes.fromhex(mac.replace(":", ""))
    code = Code()
    _begin(code, _BEYOND4)
    code.load(R1, WORD, R7, _FROM)
    code.go_unless(R1, int.from_bytes(own[:4], byteorder), "on")
    code.load(R1, HALF, R7, _FROM + 4)
    code.go_unless(R1, int.from_bytes(own[4:6], byteorder), "on")
    code.load(R1, HALF, R7, _TYPE)
    code.go_if(R1, _wire(0x86DD, 2), "IPv6")
    code.go_unless(R1, _wire(0x0800, 2), "on")
    _own4(code, [address for address in addresses if family(address) == 4])
    code.place("IPv6")
    _own6(code, [address for address in addresses if family(address) == 6])
    code.place("known")
    _heard_within(code, heard, _TO, FRESH)
    code.set(R8, tunnel)
    _redirect(code, R8, _REDIRECT)
    return _end(code)


def _begin(code: Code, least: int) -> None:
    """R6 is the packet's context, R7 its beginning; one with a VLAN tag, or of fewer bytes, is not for us."""
    code.copy(R6, R1)
    code.load(R1, WORD, R6, _TAGGED)
    code.go_unless(R1, 0, "on")
    code.load(R7, WORD, R6, _DATA)
    _at_least(code, least)


def _end(code: Code) -> bytes:
    """What is not for us goes on, to others' programs and to the bridge."""
    code.place("on")
    code.set(R0, _ON)
    code.end()
    return code.whole()


def _at_least(code: Code, size: int, otherwise: str = "on") -> None:
    """Go on with fewer bytes: the kernel lets us read what was asked about alone."""
    code.load(R3, WORD, R6, _END)
    code.copy(R2, R7)
    code.add(R2, size)
    code.go_if_beyond(R2, R3, otherwise)


def _is(code: Code, base: int, size: int, at: int, number: int) -> None:
    """Go on unless there is that number at that place, as the machine reads it."""
    code.load(R1, size, base, at)
    code.go_unless(R1, number, "on")


def _are(code: Code, at: int, packed: bytes) -> None:
    """Go on unless there are these bytes."""
    for offset in range(0, len(packed), 4):
        _is(code, R7, WORD, at + offset, int.from_bytes(packed[offset : offset + 4], byteorder))


def _is_size(code: Code, at: int, less: int) -> None:
    """Go on unless there is the packet's size, less so many bytes: nothing follows, and nothing is missing."""
    code.load(R1, HALF, R7, at)
    code.wire_order(R1)
    code.load(R2, WORD, R6, _SIZE)
    code.add(R2, -less)
    code.subtract(R2, R1)
    code.go_unless(R2, 0, "on")


def _for_us4(code: Code, local: str) -> None:
    """Go on with all but whole UDP for this address, in a header whose checksum is right: its sum is a multiple."""
    _is(code, R7, HALF, _TYPE, _wire(0x0800, 2))
    _is(code, R7, BYTE, _LENGTH4, _PLAIN4)
    _is(code, R7, BYTE, _PROTOCOL4, _UDP)
    _are(code, _TARGET4, inet_pton(AF_INET, local))
    _is_size(code, _IP + 2, _IP)
    code.load(R1, HALF, R7, _FRAGMENT4)
    code.go_if_any(R1, _wire(0x3FFF, 2), "on")
    code.set(R8, 0)
    for at in range(_IP, _BEYOND4, 4):
        code.load(R1, WORD, R7, at)
        code.add_register(R8, R1)
    code.remainder(R8, 0xFFFF)
    code.go_unless(R8, 0, "on")


def _for_us6(code: Code, local: str) -> None:
    """The same; without a checksum UDP is nothing here."""
    _is(code, R7, HALF, _TYPE, _wire(0x86DD, 2))
    code.load(R1, BYTE, R7, _IP)
    code.shift(R1, 4)
    code.go_unless(R1, 6, "on")
    _is(code, R7, BYTE, _PROTOCOL6, _UDP)
    _are(code, _TARGET6, inet_pton(AF_INET6, local))
    _is_size(code, _IP + 4, _BEYOND6)
    code.load(R1, HALF, R7, _BEYOND6 + 6)
    code.go_if(R1, 0, "on")


def _is_peer(code: Code, peers: int, at: int, size: int) -> None:
    """Go on unless the address at that place is a peer's."""
    for offset in range(0, PEER, 4):
        if offset < size:
            code.load(R1, WORD, R7, at + offset)
        else:
            code.set(R1, 0)
        code.store(WORD, STACK, offset - PEER, R1)
    code.map(R1, peers)
    code.copy(R2, STACK)
    code.add(R2, -PEER)
    code.call(_LOOK_UP)
    code.go_if_none(R0, "on")


def _inside(code: Code) -> None:
    """Go on unless there is an IP packet; of those that were joined, only TCP's. R9 is how it is to be opened."""
    code.set(R9, _AS_JOINED | _TO_IPV4)
    code.load(R2, BYTE, R7, _PROTOCOL4)
    code.load(R1, HALF, R7, _TYPE)
    code.go_if(R1, _wire(0x0800, 2), "IP")
    code.go_unless(R1, _wire(0x86DD, 2), "on")
    code.set(R9, _AS_JOINED | _TO_IPV6)
    code.load(R2, BYTE, R7, _PROTOCOL6)
    code.place("IP")
    code.load(R1, WORD, R6, _JOINED)
    code.go_if(R1, 0, "one")
    code.go_unless(R2, _TCP, "on")
    code.place("one")


def _open(code: Code, outer: int) -> None:
    """The outer headers go, and the inner MACs come before what is left; "lost" if the kernel has less than it said."""
    macs, rest = -KEY - 16, -KEY - 8
    for size, held, at in ((LONG, macs, 0), (WORD, rest, 8), (HALF, rest + 4, _TYPE)):
        code.load(R1, size, R7, at)
        code.store(size, STACK, held, R1)
    code.copy(R1, R6)
    code.set(R2, -outer)
    code.set(R3, _AFTER_MACS)
    code.copy(R4, R9)
    code.call(_RESIZE)
    code.go_unless(R0, 0, "on")
    code.load(R7, WORD, R6, _DATA)
    _at_least(code, _IP, "lost")
    for size, held, at in ((LONG, macs, 0), (WORD, rest, 8), (HALF, rest + 4, _TYPE)):
        code.load(R1, size, STACK, held)
        code.store(size, R7, at, R1)


def _own4(code: Code, addresses: Sequence[str]) -> None:
    """To "known" with a packet from one of these addresses, unless a DHCP server would send it; on with all others."""
    code.load(R1, BYTE, R7, _LENGTH4)
    code.go_unless(R1, _PLAIN4, "on")
    code.load(R1, WORD, R7, _SOURCE4)
    for address in addresses:
        code.go_if(R1, int.from_bytes(inet_pton(AF_INET, address), byteorder), "own")
    code.go("on")
    if not addresses:
        return  # the kernel takes no program with parts that nothing leads to
    code.place("own")
    code.load(R1, BYTE, R7, _PROTOCOL4)
    code.go_unless(R1, _UDP, "known")
    _but_from(code, _DHCP4, _BEYOND4)


def _own6(code: Code, addresses: Sequence[str]) -> None:
    """The same; who is where is asked and told by way of the bridge, which looks at that."""
    _at_least(code, _BEYOND6)
    for number, address in enumerate(addresses):
        _own6_if(code, inet_pton(AF_INET6, address), f"not {number}")
    code.go("on")
    if not addresses:
        return
    code.place("own6")
    code.load(R1, BYTE, R7, _PROTOCOL6)
    code.go_if(R1, _TCP, "known")
    code.go_if(R1, _ICMP6, "ICMPv6")
    code.go_unless(R1, _UDP, "on")
    _but_from(code, _DHCP6, _BEYOND6)
    code.place("ICMPv6")
    _at_least(code, _BEYOND6 + 1)
    code.load(R1, BYTE, R7, _BEYOND6)
    for kind in _ECHO:
        code.go_if(R1, kind, "known")
    code.go("on")


def _own6_if(code: Code, packed: bytes, otherwise: str) -> None:
    for offset in range(0, 16, 4):
        code.load(R1, WORD, R7, _SOURCE6 + offset)
        code.go_unless(R1, int.from_bytes(packed[offset : offset + 4], byteorder), otherwise)
    code.go("own6")
    code.place(otherwise)


def _but_from(code: Code, port: int, beyond: int) -> None:
    """To "known" unless it comes from that port; a later fragment has none, and is asked all the same."""
    _at_least(code, beyond + 2)
    code.load(R1, HALF, R7, beyond)
    code.go_unless(R1, _wire(port, 2), "known")
    code.go("on")


def _look_up(code: Code, among: int, at: int) -> None:
    """R0 is where a map has what belongs to the MAC at that place of the frame; the stack's end has the MAC."""
    code.load(R1, WORD, R7, at)
    code.store(WORD, STACK, -KEY, R1)
    code.set(R1, 0)
    code.store(WORD, STACK, -KEY + 4, R1)
    code.load(R1, HALF, R7, at + 4)
    code.store(HALF, STACK, -KEY + 4, R1)
    code.map(R1, among)
    code.copy(R2, STACK)
    code.add(R2, -KEY)
    code.call(_LOOK_UP)


def _port(code: Code, ports: int) -> None:
    """R8 is the index of the port that the frame is for; go on where the bridge is to have it."""
    _look_up(code, ports, _TO)
    code.go_if_none(R0, "on")
    code.load(R8, WORD, R0, 0)
    code.go_if(R8, 0, "on")


def _heard_within(code: Code, heard: int, at: int, seconds: int) -> None:
    """Go on unless the MAC at that place was heard from not longer ago."""
    _look_up(code, heard, at)
    code.go_if_none(R0, "on")
    code.load(R8, LONG, R0, 0)
    _now(code)
    code.subtract(R0, R8)
    code.go_if_above(R0, seconds, "on")


def _now(code: Code) -> None:
    """R0 is the time; as coarse as the kernel has it, which costs least."""
    code.call(_NOW)
    code.shift(R0, 30)


def _note(code: Code, ports: int, heard: int) -> None:
    """Who sends a frame was heard from now: written once a second, if it is none of this host's own."""
    _look_up(code, heard, _FROM)
    code.copy(R8, R0)
    _now(code)
    code.store(LONG, STACK, -KEY - TIME, R0)
    code.go_if_none(R8, "new")
    code.load(R1, LONG, R8, 0)
    code.subtract(R0, R1)
    code.go_if(R0, 0, "noted")
    code.place("new")
    code.load(R1, BYTE, R7, _FROM)
    code.go_if_any(R1, 1, "on")
    _look_up(code, ports, _FROM)
    code.go_if_none(R0, "a stranger")
    code.go("on")
    code.place("a stranger")
    code.map(R1, heard)
    code.copy(R2, STACK)
    code.add(R2, -KEY)
    code.copy(R3, STACK)
    code.add(R3, -KEY - TIME)
    code.set(R4, 0)
    code.call(_UPDATE)
    code.place("noted")


def _redirect(code: Code, index: int, how: int) -> None:
    code.copy(R1, index)
    code.set(R2, 0)
    code.call(how)
    code.end()


def _wire(number: int, size: int) -> int:
    """A number as it stands on the wire, read in the machine's order."""
    return int.from_bytes(number.to_bytes(size, "big"), byteorder)
