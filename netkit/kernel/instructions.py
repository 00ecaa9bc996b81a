"""Programs for the kernel's virtual machine (eBPF), an instruction a line; numbers are from linux/bpf.h.

Ten registers of 64 bits: a call takes its arguments in R1 to R5, answers in R0, and leaves R6 to R9 as they are; below
R10 is a stack. Numbers in memory are in the machine's own order, whatever they mean on the wire.
"""

from __future__ import annotations

from struct import Struct

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, STACK = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
BYTE, HALF, WORD, LONG = 0x10, 0x08, 0x00, 0x18
_INSTRUCTION = Struct("=BBhI")
_LOAD, _STORE, _LOAD_NUMBER, _OF_A_MAP = 0x61, 0x63, 0x18, 1
_STORE_NUMBER, _ADD_IN_MEMORY = 0x62, 0xDB
_SET, _COPY, _ADD, _SUBTRACT, _SHIFT = 0xB7, 0xBF, 0x07, 0x1F, 0x77
_ADD_REGISTER, _AND, _REMAINDER, _FLIP, _WIRE_ORDER = 0x0F, 0x57, 0x97, 0xA7, 0xDC
_CALL, _EXIT, _JUMP = 0x85, 0x95, 0x05
_EQUAL, _DIFFERENT, _ANY_BIT = 0x16, 0x56, 0x46  # of the lower 32 bits, with a number
_NOT_THE_SAME = 0x5E  # of the lower 32 bits, with a register
_NONE, _ABOVE_NUMBER, _ABOVE = 0x15, 0x25, 0x2D  # of all 64
_WORD_MASK = 0xFFFFFFFF


class Code:
    """A program under way. What jumps names a place, which is told anywhere before `whole`."""

    def __init__(self) -> None:
        self._done: list[tuple[int, int, int, int | str, int]] = []
        self._places: dict[str, int] = {}

    def load(self, into: int, size: int, base: int, offset: int) -> None:
        """What memory has at `base` and so many bytes on."""
        self._put(_LOAD | size, into, base, offset)

    def store(self, size: int, base: int, offset: int, of: int) -> None:
        """Write a register to memory."""
        self._put(_STORE | size, base, of, offset)

    def set(self, into: int, number: int) -> None:
        """Give a register a number of 32 bits, which is taken for one with a sign."""
        self._put(_SET, into, number=number)

    def map(self, into: int, fd: int) -> None:
        """Give a register the map that a descriptor leads to."""
        self._put(_LOAD_NUMBER, into, _OF_A_MAP, number=fd)
        self._put(0)

    def copy(self, into: int, of: int) -> None:
        """Give a register another's value."""
        self._put(_COPY, into, of)

    def add(self, into: int, number: int) -> None:
        """Add a number."""
        self._put(_ADD, into, number=number)

    def subtract(self, into: int, of: int) -> None:
        """Take another register's value off."""
        self._put(_SUBTRACT, into, of)

    def shift(self, into: int, bits: int) -> None:
        """Move it to the right."""
        self._put(_SHIFT, into, number=bits)

    def store_number(self, size: int, base: int, offset: int, number: int) -> None:
        """Write a number to memory."""
        self._put(_STORE_NUMBER | size, base, offset=offset, number=number)

    def add_in_memory(self, base: int, offset: int, of: int) -> None:
        """Add a register to 64 bits of memory, at once for all who look."""
        self._put(_ADD_IN_MEMORY, base, of, offset)

    def add_register(self, into: int, of: int) -> None:
        """Add another register's value."""
        self._put(_ADD_REGISTER, into, of)

    def keep_bits(self, into: int, bits: int) -> None:
        """Leave only these bits of it."""
        self._put(_AND, into, number=bits)

    def flip_bits(self, into: int, bits: int) -> None:
        """Make of each of these bits the other."""
        self._put(_FLIP, into, number=bits)

    def wire_order(self, into: int) -> None:
        """Turn its lower 16 bits from the machine's order to that of the wire, or back; the others are nothing then."""
        self._put(_WIRE_ORDER, into, number=16)

    def remainder(self, into: int, number: int) -> None:
        """Leave what a division by that number leaves."""
        self._put(_REMAINDER, into, number=number)

    def call(self, helper: int) -> None:
        """Have the kernel do something."""
        self._put(_CALL, number=helper)

    def end(self) -> None:
        """Leave, with the answer that is in R0."""
        self._put(_EXIT)

    def place(self, name: str) -> None:
        """The next instruction is what `name` means."""
        self._places[name] = len(self._done)

    def go(self, to: str) -> None:
        """Go on there."""
        self._put(_JUMP, offset=to)

    def go_if(self, register: int, number: int, to: str) -> None:
        """Go on there if its lower half is that number."""
        self._put(_EQUAL, register, offset=to, number=number)

    def go_unless(self, register: int, number: int, to: str) -> None:
        """Go on there if its lower half is another number."""
        self._put(_DIFFERENT, register, offset=to, number=number)

    def go_unless_same(self, register: int, other: int, to: str) -> None:
        """Go on there if its lower half is not another register's."""
        self._put(_NOT_THE_SAME, register, other, offset=to)

    def go_if_any(self, register: int, bits: int, to: str) -> None:
        """Go on there if it has one of these bits."""
        self._put(_ANY_BIT, register, offset=to, number=bits)

    def go_if_none(self, register: int, to: str) -> None:
        """Go on there if it leads nowhere."""
        self._put(_NONE, register, offset=to)

    def go_if_above(self, register: int, number: int, to: str) -> None:
        """Go on there if it is more than that number."""
        self._put(_ABOVE_NUMBER, register, offset=to, number=number)

    def go_if_beyond(self, register: int, other: int, to: str) -> None:
        """Go on there if it is more than another register."""
        self._put(_ABOVE, register, other, offset=to)

    def whole(self) -> bytes:
        """The program as the kernel takes it."""
        return b"".join(
            _INSTRUCTION.pack(code, of << 4 | into, self._distance(place, offset), number & _WORD_MASK)
            for place, (code, into, of, offset, number) in enumerate(self._done)
        )

    def _put(self, code: int, into: int = 0, of: int = 0, offset: int | str = 0, number: int = 0) -> None:
        self._done.append((code, into, of, offset, number))

    def _distance(self, place: int, offset: int | str) -> int:
        return offset if isinstance(offset, int) else self._places[offset] - place - 1
