"""Instructions of the kernel's virtual machine, as linux/bpf.h numbers them."""

from __future__ import annotations

import sys

import pytest

from netkit.kernel.instructions import LONG, R0, R1, R2, R5, STACK, WORD, Code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

little = pytest.mark.skipif(sys.byteorder != "little", reason="the bytes are those of a little-endian machine")


@little
@pytest.mark.parametrize(
    ("say", "encoded"),
    [
        (lambda code: code.store_number(WORD, STACK, -8, 2), "620af8ff02000000"),
        (lambda code: code.add_in_memory(R0, 16, R1), "db10100000000000"),
        (lambda code: code.add_register(R1, R2), "0f21000000000000"),
        (lambda code: code.keep_bits(R1, 0xF0), "57010000f0000000"),
        (lambda code: code.flip_bits(R5, 0xFFFF), "a7050000ffff0000"),
        (lambda code: code.wire_order(R2), "dc02000010000000"),
        (lambda code: code.store(LONG, STACK, -16, R1), "7b1af0ff00000000"),
    ],
)
def test_an_instruction_is_eight_bytes(say: Callable[[Code], None], encoded: str) -> None:
    code = Code()
    say(code)
    assert code.whole().hex() == encoded


@little
def test_a_jump_compares_two_registers() -> None:
    code = Code()
    code.go_unless_same(R1, R2, "end")
    code.set(R0, 0)
    code.place("end")
    code.end()
    assert code.whole().hex(" ", 8) == "5e21010000000000 b700000000000000 9500000000000000"
