"""What programs that are shown packets begin, compare and end with: R6 is the packet's context, R7 its beginning.

Each ends in one of two ways: the packet goes where it ought to at once, or "on": to others' programs and its usual way,
as if there were no such program. Whatever is not plainly what it looks for goes on.
"""

from __future__ import annotations

from sys import byteorder

from netkit.kernel.instructions import R0, R1, R2, R3, R6, R7, WORD, Code

#: struct __sk_buff: the packet's size, whether a VLAN tag was taken off, its beginning and its end.
SIZE, TAGGED, DATA, END = 0, 20, 76, 80
#: The kernel's helpers that are called by many.
LOOK_UP, REDIRECT_PEER = 1, 155
#: Where a frame has its MACs and its type, and IP.
TO, FROM, TYPE, IP = 0, 6, 12, 14
#: Where IPv4 has its head's length, fragment, protocol, source and target, and what is in it; IPv6 the same.
LENGTH4, FRAGMENT4, PROTOCOL4, SOURCE4, TARGET4, BEYOND4 = IP, IP + 6, IP + 9, IP + 12, IP + 16, IP + 20
PROTOCOL6, SOURCE6, TARGET6, BEYOND6 = IP + 6, IP + 8, IP + 24, IP + 40
PLAIN4 = 0x45
TCP, UDP = 6, 17
_ON = -1


def begin(code: Code, least: int) -> None:
    """R6 is the packet's context, R7 its beginning; one with a VLAN tag, or of fewer bytes, is not for us."""
    code.copy(R6, R1)
    code.load(R1, WORD, R6, TAGGED)
    code.go_unless(R1, 0, "on")
    code.load(R7, WORD, R6, DATA)
    at_least(code, least)


def end(code: Code) -> bytes:
    """What is not for us goes on, to others' programs and its usual way."""
    code.place("on")
    code.set(R0, _ON)
    code.end()
    return code.whole()


def at_least(code: Code, size: int, otherwise: str = "on") -> None:
    """Go on with fewer bytes: the kernel lets us read what was asked about alone."""
    code.load(R3, WORD, R6, END)
    code.copy(R2, R7)
    code.add(R2, size)
    code.go_if_beyond(R2, R3, otherwise)


def only_if(code: Code, base: int, size: int, at: int, number: int) -> None:
    """Go on unless there is that number at that place, as the machine reads it."""
    code.load(R1, size, base, at)
    code.go_unless(R1, number, "on")


def only_if_all(code: Code, at: int, packed: bytes) -> None:
    """Go on unless there are these bytes."""
    for offset in range(0, len(packed), 4):
        only_if(code, R7, WORD, at + offset, int.from_bytes(packed[offset : offset + 4], byteorder))


def redirect(code: Code, index: int, how: int) -> None:
    """To the link whose index that register has, by one of the kernel's helpers; this is the end."""
    code.copy(R1, index)
    code.set(R2, 0)
    code.call(how)
    code.end()


def wire(number: int, size: int) -> int:
    """A number as it stands on the wire, read in the machine's order."""
    return int.from_bytes(number.to_bytes(size, "big"), byteorder)
