"""The host's nftables base chains, by a hand-written NFT_MSG_GETCHAIN dump: chains only, never a rule.

It needs neither libnftables nor a listing, so its cost does not grow with the rules that others have.
"""

from __future__ import annotations

import _socket
import struct

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NETLINK_NETFILTER, _SUBSYSTEM, _GETCHAIN, _NEWCHAIN = 12, 10, 4, 3
_REQUEST, _DUMP = 0x1, 0x300
_ERROR, _DONE = 2, 3
_TABLE, _NAME, _HOOK, _POLICY, _HOOKNUM = 1, 3, 4, 5, 1
_NESTED = 0x8000
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}

#: Netfilter's numbers: the forward hook, and the verdict of a policy that drops.
FORWARD, DROP, ACCEPT = 2, 0, 1


class BaseChain(Value):
    """A chain; `hook` is -1 for one that hangs in no hook."""

    family: str
    table: str
    name: str
    hook: int = -1
    policy: int = ACCEPT


def chains() -> list[BaseChain]:
    """All chains of this network namespace; OSError where the kernel has no nf_tables or we may not ask."""
    sock = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _NETLINK_NETFILTER)
    try:
        sock.send(struct.pack("=IHHIIBBH", 20, _SUBSYSTEM << 8 | _GETCHAIN, _REQUEST | _DUMP, 1, 0, 0, 0, 0))
        found: list[BaseChain] = []
        while True:
            for kind, body in _messages(sock.recv(1 << 18)):
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    code = -struct.unpack_from("=i", body)[0]
                    raise OSError(code, "nf_tables cannot list chains")
                if kind == (_SUBSYSTEM << 8 | _NEWCHAIN):
                    found.append(_chain(body))
    finally:
        sock.close()


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[length + 3 & ~3 :]


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & ~_NESTED] = data[4:length]
        data = data[length + 3 & ~3 :]
    return found


def _chain(body: bytes) -> BaseChain:
    attributes = _attributes(body[4:])
    hook = _attributes(attributes.get(_HOOK, b""))
    number = struct.unpack(">I", hook[_HOOKNUM])[0] if _HOOKNUM in hook else -1
    policy = struct.unpack(">I", attributes[_POLICY])[0] if _POLICY in attributes else ACCEPT
    return BaseChain(
        _FAMILIES.get(body[0], str(body[0])), _text(attributes[_TABLE]), _text(attributes[_NAME]), number, policy
    )


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "surrogateescape")
