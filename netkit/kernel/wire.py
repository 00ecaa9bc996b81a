"""Netlink as bytes: messages, attributes, and what an error says. Numbers are from linux/netlink.h.

A message is (type, flags, payload) until it is framed for sending.
"""

from __future__ import annotations

import errno
import os
import sys
from struct import Struct

from netkit.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Message = tuple[int, int, bytes]

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP_INTR = 0x1, 0x4, 0x10
NLM_F_DUMP = 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
NLA_F_NESTED = 0x8000
NLMSG_ERROR, NLMSG_DONE = 2, 3

_NLM_F_CAPPED, _NLM_F_ACK_TLVS = 0x100, 0x200
_NLMSGERR_ATTR_MSG = 1
_TYPE_MASK = 0x3FFF

_HEADER = Struct("=IHHII")
_ATTRIBUTE = Struct("=HH")


def attr(kind: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    length = 4 + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + bytes(-length % 4)


def u32(number: int) -> bytes:
    """Four bytes in the machine's order."""
    return number.to_bytes(4, sys.byteorder)


def number(data: bytes) -> int:
    """The unsigned number that `u32` and its narrower kin pack."""
    return int.from_bytes(data, sys.byteorder)


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes from `offset` on, by type without its flag bits; the last of a type wins."""
    return dict(every_attribute(data, offset))


def every_attribute(data: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """The attributes from `offset` on, in order; KernelError when one runs past the end."""
    end = len(data)
    while offset + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4 or offset + length > end:
            raise KernelError("the kernel sent a malformed netlink attribute", errno.EBADMSG)
        yield kind & _TYPE_MASK, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def frame(message: Message, flags: int, sequence: int) -> bytes:
    """A request with its header, padded so that another can follow."""
    kind, own_flags, payload = message
    length = _HEADER.size + len(payload)
    header = _HEADER.pack(length, kind, own_flags | flags | NLM_F_REQUEST, sequence, 0)
    return header + payload + bytes(-length % 4)


def answers(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """The (type, flags, sequence, payload) of the messages in one datagram."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size or offset + length > len(data):
            raise KernelError("the kernel sent a malformed netlink message", errno.EBADMSG)
        yield kind, flags, sequence, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def refusal(kind: int, flags: int, payload: bytes) -> KernelError | None:
    """What an NLMSG_ERROR or NLMSG_DONE says went wrong, in the kernel's own words where it has some."""
    code = int.from_bytes(payload[:4], sys.byteorder, signed=True)
    if code >= 0:
        return None
    reason = os.strerror(-code)
    text = _extended_text(kind, flags, payload) if flags & _NLM_F_ACK_TLVS else ""
    return KernelError(f"{text} ({reason})" if text else reason, -code)


def _extended_text(kind: int, flags: int, payload: bytes) -> str:
    """The extended acknowledgement: after the code, and in an error after the request (its header only, if capped)."""
    offset = 4
    if kind == NLMSG_ERROR:
        offset += _HEADER.size if flags & _NLM_F_CAPPED else (number(payload[4:8]) + 3) & ~3
    text = attributes(payload, offset).get(_NLMSGERR_ATTR_MSG, b"")
    return text.rstrip(b"\0").decode("utf-8", "replace")
