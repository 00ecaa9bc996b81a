"""The programs of an overlay's fast path at its tunnel and at its ports, as the kernel's virtual machine takes them.

What they do not send where it ought to go at once goes to the bridge. underlaycode.py has the third.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton
from sys import byteorder

from netkit.kernel.instructions import BYTE, HALF, LONG, R0, R1, R2, R3, R4, R6, R7, R8, STACK, WORD, Code
from netkit.kernel.packetcode import (
    BEYOND4,
    BEYOND6,
    FROM,
    LENGTH4,
    LOOK_UP,
    PLAIN4,
    PROTOCOL4,
    PROTOCOL6,
    REDIRECT_PEER,
    SOURCE4,
    SOURCE6,
    TCP,
    TO,
    TYPE,
    UDP,
    at_least,
    begin,
    end,
    redirect,
    wire,
)
from netkit.model import family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: For so many of its seconds (of 2^30 ns) a MAC counts as heard.
FRESH = 60
#: Bytes of a key, which is a MAC; of what the two maps have for it: a link's index, a time.
KEY, INDEX, TIME = 8, 4, 8
#: The kernel's helpers that are called.
_UPDATE, _REDIRECT, _CHANGE_TYPE, _NOW = 2, 23, 32, 160
_ICMP6 = 58
#: Ports that only servers of DHCP send from; echo and its answer.
_DHCP4, _DHCP6, _ECHO = 67, 547, (128, 129)


def from_tunnel(ports: int, heard: int) -> bytes:
    """To a frame's port at once, past the host's end of its cable; and note who sent it.

    `ports` and `heard` are descriptors of the maps. Who sends as an interface of this host is left to the bridge.
    """
    code = Code()
    begin(code, TYPE + 2)
    _note(code, ports, heard)
    code.load(R1, HALF, R7, TYPE)
    code.go_if(R1, wire(0x0800, 2), "IP")
    code.go_unless(R1, wire(0x86DD, 2), "on")
    code.place("IP")
    port_of(code, ports)
    code.copy(R1, R6)
    code.set(R2, 0)
    code.call(_CHANGE_TYPE)  # to "for us": it came to the tunnel's MAC, not to the container's
    redirect(code, R8, REDIRECT_PEER)
    return end(code)


def from_port(heard: int, tunnel: int, mac: str, addresses: Sequence[str]) -> bytes:
    """Into the tunnel (its index) what the port's own MAC sends, from one of its addresses, to one that was heard."""
    own = bytes.fromhex(mac.replace(":", ""))
    code = Code()
    begin(code, BEYOND4)
    code.load(R1, WORD, R7, FROM)
    code.go_unless(R1, int.from_bytes(own[:4], byteorder), "on")
    code.load(R1, HALF, R7, FROM + 4)
    code.go_unless(R1, int.from_bytes(own[4:6], byteorder), "on")
    code.load(R1, HALF, R7, TYPE)
    code.go_if(R1, wire(0x86DD, 2), "IPv6")
    code.go_unless(R1, wire(0x0800, 2), "on")
    _own4(code, [address for address in addresses if family(address) == 4])
    code.place("IPv6")
    _own6(code, [address for address in addresses if family(address) == 6])
    code.place("known")
    heard_within(code, heard, TO, FRESH)
    code.set(R8, tunnel)
    redirect(code, R8, _REDIRECT)
    return end(code)


def _own4(code: Code, addresses: Sequence[str]) -> None:
    """To "known" with a packet from one of these addresses, unless a DHCP server would send it; on with all others."""
    code.load(R1, BYTE, R7, LENGTH4)
    code.go_unless(R1, PLAIN4, "on")
    code.load(R1, WORD, R7, SOURCE4)
    for address in addresses:
        code.go_if(R1, int.from_bytes(inet_pton(AF_INET, address), byteorder), "own")
    code.go("on")
    if not addresses:
        return  # the kernel takes no program with parts that nothing leads to
    code.place("own")
    code.load(R1, BYTE, R7, PROTOCOL4)
    code.go_unless(R1, UDP, "known")
    _but_from(code, _DHCP4, BEYOND4)


def _own6(code: Code, addresses: Sequence[str]) -> None:
    """The same; who is where is asked and told by way of the bridge, which looks at that."""
    at_least(code, BEYOND6)
    for number, address in enumerate(addresses):
        _own6_if(code, inet_pton(AF_INET6, address), f"not {number}")
    code.go("on")
    if not addresses:
        return
    code.place("own6")
    code.load(R1, BYTE, R7, PROTOCOL6)
    code.go_if(R1, TCP, "known")
    code.go_if(R1, _ICMP6, "ICMPv6")
    code.go_unless(R1, UDP, "on")
    _but_from(code, _DHCP6, BEYOND6)
    code.place("ICMPv6")
    at_least(code, BEYOND6 + 1)
    code.load(R1, BYTE, R7, BEYOND6)
    for kind in _ECHO:
        code.go_if(R1, kind, "known")
    code.go("on")


def _own6_if(code: Code, packed: bytes, otherwise: str) -> None:
    for offset in range(0, 16, 4):
        code.load(R1, WORD, R7, SOURCE6 + offset)
        code.go_unless(R1, int.from_bytes(packed[offset : offset + 4], byteorder), otherwise)
    code.go("own6")
    code.place(otherwise)


def _but_from(code: Code, port: int, beyond: int) -> None:
    """To "known" unless it comes from that port; a later fragment has none, and is asked all the same."""
    at_least(code, beyond + 2)
    code.load(R1, HALF, R7, beyond)
    code.go_unless(R1, wire(port, 2), "known")
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
    code.call(LOOK_UP)


def port_of(code: Code, ports: int) -> None:
    """R8 is the index of the port that the frame is for; go on where the bridge is to have it."""
    _look_up(code, ports, TO)
    code.go_if_none(R0, "on")
    code.load(R8, WORD, R0, 0)
    code.go_if(R8, 0, "on")


def heard_within(code: Code, heard: int, at: int, seconds: int) -> None:
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
    _look_up(code, heard, FROM)
    code.copy(R8, R0)
    _now(code)
    code.store(LONG, STACK, -KEY - TIME, R0)
    code.go_if_none(R8, "new")
    code.load(R1, LONG, R8, 0)
    code.subtract(R0, R1)
    code.go_if(R0, 0, "noted")
    code.place("new")
    code.load(R1, BYTE, R7, FROM)
    code.go_if_any(R1, 1, "on")
    _look_up(code, ports, FROM)
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
