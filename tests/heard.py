"""What the kernel answers the tools that the oracle asks: its dumps, as they come, and read by nobody.

A tool that would hear again what it heard before would say again what it said: it need not be started. That some of
the bytes are times, which differ without need, costs a start and hides nothing.
"""

from __future__ import annotations

import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = struct.Struct("=IHHII")
_REQUEST, _DUMP = 0x1, 0x300
_NETLINK_NETFILTER = 12
_ERROR, _DONE = 2, 3
#: What `ip -d link` asks for: with virtual functions, without packet counts (IFLA_EXT_MASK).
_LINK = struct.pack("=BxHiIIHHI", 0, 0, 0, 0, 0, 8, 29, 1 | 8)
#: RTM_GETLINK and its like: the request, and its body. ip's `neigh` and bridge's `fdb` are of different families.
_DUMPS = {
    "links": (18, _LINK),
    "addresses": (22, bytes(8)),
    "routes": (26, bytes(12)),
    "neighbours": (30, bytes(12)),
    "fdb": (30, bytes([socket.AF_BRIDGE]) + bytes(11)),
    "rules": (34, bytes(12)),
    "qdiscs": (38, bytes(20)),
}
_NFT_GETGEN = 10 << 8 | 16
#: Where in its answer, behind struct nfgenmsg and an attribute's head, the number is.
_GENERATION = slice(8, 12)


def dumps() -> dict[str, bytes]:
    """All that the namespace which the calling thread is in has of each kind."""
    heard = {"names": repr(socket.if_nameindex()).encode()}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asked:
        for name, (kind, body) in _DUMPS.items():
            asked.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _DUMP, 1, 0) + body)
            heard[name] = b"".join(_bodies(asked))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as asked:
        asked.send(_HEADER.pack(_HEADER.size + 4, _NFT_GETGEN, _REQUEST, 1, 0) + bytes(4))
        heard["generation"] = asked.recv(1 << 16)[_HEADER.size :][_GENERATION]
    return heard


def _bodies(asked: socket.socket) -> Iterator[bytes]:
    """Every message of a dump without its header, which is about the conversation."""
    while True:
        part, position = asked.recv(1 << 18), 0
        while position < len(part):
            length, kind, *_ = _HEADER.unpack_from(part, position)
            yield part[position + _HEADER.size : position + length]
            if kind in (_ERROR, _DONE):
                return
            position += (length + 3) & ~3
