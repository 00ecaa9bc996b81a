"""The program of an overlay's fast path at the underlay, as the kernel's virtual machine takes it.

It opens what comes from the tunnels of peers; what it does not open goes by the host's firewall to the tunnel.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton

from netkit.kernel.fastcode import KEY, heard_within, port_of
from netkit.kernel.instructions import BYTE, HALF, LONG, R0, R1, R2, R3, R4, R6, R7, R8, R9, STACK, WORD, Code
from netkit.kernel.packetcode import (
    BEYOND4,
    BEYOND6,
    DATA,
    FRAGMENT4,
    FROM,
    IP,
    LENGTH4,
    LOOK_UP,
    PLAIN4,
    PROTOCOL4,
    PROTOCOL6,
    REDIRECT_PEER,
    SIZE,
    SOURCE4,
    SOURCE6,
    TARGET4,
    TARGET6,
    TCP,
    TYPE,
    UDP,
    at_least,
    begin,
    end,
    only_if,
    only_if_all,
    redirect,
    wire,
)
from netkit.model import family

#: For so many seconds (of 2^30 ns) after the tunnel heard from a MAC its frames may be opened here.
SEEN = 15
#: Bytes of the key of a peer, its address.
PEER = 16
#: The kernel's helper that is called.
_RESIZE = 50
#: struct __sk_buff: whom the packet is for, and how much of it each of those has that were joined to be this one.
_FOR, _JOINED = 4, 176
#: What a tunnel puts before a frame; VXLAN's flags, which say that a VNI follows, and how the packet is made shorter.
_OUTER4, _OUTER6 = BEYOND4 + 16, BEYOND6 + 16
_HAS_VNI, _AFTER_MACS, _AS_JOINED, _TO_IPV4, _TO_IPV6 = 0x08000000, 1, 1, 128, 256
_AWAY = 2


def from_underlay(ports: int, heard: int, peers: int, local: str, port: int, vni: int) -> bytes:
    """Open what the tunnel of a peer sends to ours, if its frame is from one who was seen, and give it to its port.

    What the guard of the tunnel asks is asked here, too. The outer checksum is not verified, as RFC 7348 (4.1) allows:
    inner ones are. Datagrams that were joined are left to the tunnel: the kernel would take them for a tunnel's.
    """
    code = Code()
    six = family(local) == 6
    outer, udp = (_OUTER6, BEYOND6) if six else (_OUTER4, BEYOND4)
    begin(code, outer + BEYOND4)
    only_if(code, R6, WORD, _FOR, 0)
    (_for_us6 if six else _for_us4)(code, local)
    only_if(code, R7, HALF, udp + 2, wire(port, 2))
    _is_size(code, udp + 4, udp)
    only_if(code, R7, WORD, udp + 8, wire(_HAS_VNI, 4))
    only_if(code, R7, WORD, udp + 12, wire(vni << 8, 4))
    _is_peer(code, peers, SOURCE6 if six else SOURCE4, 16 if six else 4)
    code.add(R7, outer)
    _inside(code)
    heard_within(code, heard, FROM, SEEN)
    port_of(code, ports)
    _open(code, outer)
    redirect(code, R8, REDIRECT_PEER)
    code.place("lost")
    code.set(R0, _AWAY)
    code.end()
    return end(code)


def _is_size(code: Code, at: int, less: int) -> None:
    """Go on unless there is the packet's size, less so many bytes: nothing follows, and nothing is missing."""
    code.load(R1, HALF, R7, at)
    code.wire_order(R1)
    code.load(R2, WORD, R6, SIZE)
    code.add(R2, -less)
    code.subtract(R2, R1)
    code.go_unless(R2, 0, "on")


def _for_us4(code: Code, local: str) -> None:
    """Go on with all but whole UDP for this address, in a header whose checksum is right: its sum is a multiple."""
    only_if(code, R7, HALF, TYPE, wire(0x0800, 2))
    only_if(code, R7, BYTE, LENGTH4, PLAIN4)
    only_if(code, R7, BYTE, PROTOCOL4, UDP)
    only_if_all(code, TARGET4, inet_pton(AF_INET, local))
    _is_size(code, IP + 2, IP)
    code.load(R1, HALF, R7, FRAGMENT4)
    code.go_if_any(R1, wire(0x3FFF, 2), "on")
    code.set(R8, 0)
    for at in range(IP, BEYOND4, 4):
        code.load(R1, WORD, R7, at)
        code.add_register(R8, R1)
    code.remainder(R8, 0xFFFF)
    code.go_unless(R8, 0, "on")


def _for_us6(code: Code, local: str) -> None:
    """The same; without a checksum UDP is nothing here."""
    only_if(code, R7, HALF, TYPE, wire(0x86DD, 2))
    code.load(R1, BYTE, R7, IP)
    code.shift(R1, 4)
    code.go_unless(R1, 6, "on")
    only_if(code, R7, BYTE, PROTOCOL6, UDP)
    only_if_all(code, TARGET6, inet_pton(AF_INET6, local))
    _is_size(code, IP + 4, BEYOND6)
    code.load(R1, HALF, R7, BEYOND6 + 6)
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
    code.call(LOOK_UP)
    code.go_if_none(R0, "on")


def _inside(code: Code) -> None:
    """Go on unless there is an IP packet; of those that were joined, only TCP's. R9 is how it is to be opened."""
    code.set(R9, _AS_JOINED | _TO_IPV4)
    code.load(R2, BYTE, R7, PROTOCOL4)
    code.load(R1, HALF, R7, TYPE)
    code.go_if(R1, wire(0x0800, 2), "IP")
    code.go_unless(R1, wire(0x86DD, 2), "on")
    code.set(R9, _AS_JOINED | _TO_IPV6)
    code.load(R2, BYTE, R7, PROTOCOL6)
    code.place("IP")
    code.load(R1, WORD, R6, _JOINED)
    code.go_if(R1, 0, "one")
    code.go_unless(R2, TCP, "on")
    code.place("one")


def _open(code: Code, outer: int) -> None:
    """The outer headers go, and the inner MACs come before what is left; "lost" if the kernel has less than it said."""
    macs, rest = -KEY - 16, -KEY - 8
    for size, held, at in ((LONG, macs, 0), (WORD, rest, 8), (HALF, rest + 4, TYPE)):
        code.load(R1, size, R7, at)
        code.store(size, STACK, held, R1)
    code.copy(R1, R6)
    code.set(R2, -outer)
    code.set(R3, _AFTER_MACS)
    code.copy(R4, R9)
    code.call(_RESIZE)
    code.go_unless(R0, 0, "on")
    code.load(R7, WORD, R6, DATA)
    at_least(code, IP, "lost")
    for size, held, at in ((LONG, macs, 0), (WORD, rest, 8), (HALF, rest + 4, TYPE)):
        code.load(R1, size, STACK, held)
        code.store(size, R7, at, R1)
