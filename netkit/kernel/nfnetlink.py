"""Questions to nf_tables in its own messages: nothing is loaded, and nothing is read but what was asked for.

libnftables reads the elements of every set on the host before it shows one element (nft 1.0.6); for `check` beside a
set of a million addresses that will not do. Elements of plain sets are written here, too: loading libnftables takes
longer than all else of a CNI process's work. Tables, chains, rules and intervals are left to it.
"""

from __future__ import annotations

import _socket
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    #: An attribute to send: its number, and its bytes or the attributes in it.
    Attribute = tuple[int, bytes | Sequence["Attribute"]]

_NETLINK_NETFILTER, _SUBSYSTEM = 12, 10
_REQUEST, _ACK, _DUMP, _CREATE = 0x1, 0x4, 0x300, 0x400
_BATCH_BEGIN, _BATCH_END = 16, 17
_ERROR, _DONE = 2, 3
_NESTED, _KIND = 0x8000, 0x3FFF

FAMILIES = {"inet": 1, "ip": 2, "arp": 3, "netdev": 5, "bridge": 7, "ip6": 10}


def ask(
    message: int, family: str = "", attributes: Sequence[Attribute] | bytes = (), dump: bool = False
) -> list[tuple[int, bytes]]:
    """The (family, attributes) of every answer; OSError as the kernel says, ENOENT when there is no such thing."""
    packed = attributes if isinstance(attributes, bytes) else pack(attributes)
    body = struct.pack("=BBH", FAMILIES.get(family, 0), 0, 0) + packed
    flags = _REQUEST | (_DUMP if dump else _ACK)
    head = struct.pack("=IHHII", 16 + len(body), _SUBSYSTEM << 8 | message, flags, 1, 0)
    sock = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _NETLINK_NETFILTER)
    try:
        sock.send(head + body)
        return list(_answers(sock))
    finally:
        sock.close()


class Writer:
    """What carries transactions to nf_tables.

    It closes with its owner and not before: closing waits for the kernel to clear away what was deleted, some 20 ms,
    most of which has then passed beside other work.
    """

    def __init__(self) -> None:
        self._socket = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _NETLINK_NETFILTER)

    def __del__(self) -> None:
        self._socket.close()

    def transact(self, messages: Sequence[tuple[int, str, Sequence[Attribute]]]) -> None:
        """Carry out (message, family, attributes) in one transaction; OSError on a refusal, and nothing is done."""
        parts = [_head(_BATCH_BEGIN, 0, struct.pack(">BBH", 0, 0, _SUBSYSTEM))]
        for number, (message, family, attributes) in enumerate(messages, 1):
            body = struct.pack("=BBH", FAMILIES[family], 0, 0) + pack(attributes)
            parts.append(_head(_SUBSYSTEM << 8 | message, number, body, _ACK | _CREATE))
        parts.append(_head(_BATCH_END, len(messages) + 1, struct.pack(">BBH", 0, 0, _SUBSYSTEM)))
        self._socket.send(b"".join(parts))
        _refusals(self._socket)


def _head(kind: int, sequence: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | flags, sequence, 0) + body


def _refusals(sock: _socket.socket) -> None:
    """Read what the kernel has answered by the time that it has taken the batch; OSError with the first refusal."""
    refused: OSError | None = None
    while True:
        try:
            data = sock.recv(1 << 18, _socket.MSG_DONTWAIT)
        except BlockingIOError:
            if refused is not None:
                raise refused from None
            return
        while len(data) >= 20:
            length, kind = struct.unpack_from("=IH", data)
            code = -struct.unpack_from("=i", data, 16)[0]
            if kind == _ERROR and code and refused is None:
                refused = OSError(code, os.strerror(code))
            data = data[length + 3 & ~3 :]


def pack(attributes: Sequence[Attribute]) -> bytes:
    """Attributes as the kernel reads them."""
    parts: list[bytes] = []
    for kind, value in attributes:
        payload = value if isinstance(value, bytes) else pack(value)
        nested = 0 if isinstance(value, bytes) else _NESTED
        parts.append(struct.pack("=HH", 4 + len(payload), kind | nested) + payload + bytes(-len(payload) % 4))
    return b"".join(parts)


def unpack(data: bytes) -> dict[int, bytes]:
    """Attributes by number."""
    found: dict[int, bytes] = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & _KIND] = data[4:length]
        data = data[length + 3 & ~3 :]
    return found


def text(value: bytes) -> str:
    """A name as the kernel writes it."""
    return value.rstrip(b"\0").decode("utf-8", "surrogateescape")


def name(value: str) -> bytes:
    """A name as the kernel reads it."""
    return value.encode("utf-8", "surrogateescape") + b"\0"


def _answers(sock: _socket.socket) -> Iterator[tuple[int, bytes]]:
    while True:
        data = sock.recv(1 << 18)
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            body, data = data[16:length], data[length + 3 & ~3 :]
            if kind == _DONE:
                return
            if kind != _ERROR:
                yield body[0], body[4:]
                continue
            code = -struct.unpack_from("=i", body)[0]
            if code:
                raise OSError(code, "nf_tables refuses to answer")
            return
