"""WireGuard, by generic netlink; numbers are from linux/{wireguard,genetlink}.h.

A secret is read from its file when the kernel is told it, and forgotten: no op, error or answer holds it. What the
kernel shows of secrets becomes marks here.
"""

from __future__ import annotations

import errno
import os
import time
from _blake2 import blake2s
from _socket import AF_INET, AF_INET6
from binascii import Error, a2b_base64, b2a_base64
from stat import S_ISREG
from struct import Struct
from sys import byteorder

from netkit.errors import HostError, KernelError
from netkit.ipam.pool import text as canonical
from netkit.kernel.messages import address_bytes, text
from netkit.kernel.netlink import Netlink
from netkit.kernel.outcomes import one_by_one
from netkit.kernel.wire import NLA_F_NESTED, attr, attributes, every_attribute, number, u32
from netkit.model import family
from netkit.plan.rare.wireguard import HINT, LACKING, EndClear, EndSet, PeerAdd, PeerDel, Tunnel, TunnelPeer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.kernel.outcomes import Outcome
    from netkit.kernel.wire import Message
    from netkit.plan.ops import Op

#: What the family is called that WireGuard speaks by.
NAME = "wireguard"
_NETLINK_GENERIC = 16
#: The family that tells the others' numbers: its own number, its command, and attributes of its answer.
_CONTROL, _GETFAMILY, _FAMILY_ID, _FAMILY_NAME = 16, 3, 1, 2
_GET_DEVICE, _SET_DEVICE = 0, 1
_IFNAME, _PRIVATE_KEY, _PUBLIC_KEY, _LISTEN_PORT, _PEERS = 2, 3, 4, 6, 8
_PEER_KEY, _PRESHARED, _FLAGS, _ENDPOINT, _KEEPALIVE, _HANDSHAKE, _ALLOWED = 1, 2, 3, 4, 5, 6, 9
_REMOVE, _REPLACE_ALLOWED = 1, 2
_IP_FAMILY, _IP_ADDRESS, _IP_LENGTH = 1, 2, 3
_FAMILIES = {4: AF_INET, 6: AF_INET6}
_KEY = 32
_NOTHING = bytes(_KEY)
#: For so many seconds after a handshake its keys are good (REJECT_AFTER_TIME).
_FRESH = 180
#: What makes a key where there is none.
_ANOTHER = "start the agent anew, or take the overlay down, and up"
#: struct genlmsghdr: command, version.
GENERIC = Struct("=BBxx")
#: struct sockaddr_in and sockaddr_in6 from the port on: the family stands before, in the machine's order.
_FOUR, _SIX = Struct("!H4s8x"), Struct("!HI16sI")


class WireGuard(Netlink):
    """A socket that speaks to WireGuard; KernelError (ENOENT) where the kernel has none."""

    def __init__(self) -> None:
        super().__init__(_NETLINK_GENERIC)
        asked = GENERIC.pack(_GETFAMILY, 1) + attr(_FAMILY_NAME, text(NAME))
        try:
            answer = attributes(self.get((_CONTROL, 0, asked)), GENERIC.size)
        except KernelError as error:
            self.close()
            if error.errno == errno.ENOENT:
                raise KernelError(LACKING, errno.ENOENT, HINT) from error
            raise
        self._family = number(answer[_FAMILY_ID])

    def set(self, payload: bytes) -> None:
        """Change a link; KernelError when the kernel refuses."""
        (failure,) = self.batch([(self._family, 0, payload)])
        if failure:
            raise failure

    def show(self, dev: str) -> list[bytes]:
        """All of a link, in as many pieces as it takes."""
        message: Message = (self._family, 0, GENERIC.pack(_GET_DEVICE, 1) + attr(_IFNAME, text(dev)))
        return self.dump(message)


def known() -> bool:
    """Whether this kernel has WireGuard; asking makes it load the driver, and no link."""
    try:
        WireGuard().close()
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return True


def carry_out(ops: Sequence[Op], tolerant: bool) -> list[Outcome]:
    """What became of each op, in the namespace that the thread is in."""
    socket = WireGuard()
    try:
        return one_by_one(ops, lambda op: socket.set(payload(op)), tolerant)
    finally:
        socket.close()


def seen(dev: str) -> Tunnel:
    """A WireGuard link as it is; nothing of it when it went in the meantime."""
    socket = WireGuard()
    try:
        return decode(socket.show(dev))
    except KernelError as error:
        if error.errno == errno.ENODEV:
            return Tunnel()
        raise
    finally:
        socket.close()


def payload(op: Op) -> bytes:
    """What the kernel is told; HostError where a secret's file does not do."""
    if isinstance(op, EndSet):
        return _told(op.dev, attr(_PRIVATE_KEY, secret(op.key)) + attr(_LISTEN_PORT, _u16(op.port)))
    if isinstance(op, EndClear):
        return _told(op.dev, attr(_PRIVATE_KEY, _NOTHING) + attr(_LISTEN_PORT, _u16(0)))
    if isinstance(op, PeerAdd):
        return _told(op.dev, _peer(op))
    if isinstance(op, PeerDel):
        gone = attr(_PEER_KEY, key_bytes(op.public)) + attr(_FLAGS, u32(_REMOVE))
        return _told(op.dev, _list(_PEERS, [gone]))
    raise TypeError(f"{type(op).__name__} is not for WireGuard")


def secret(path: str) -> bytes:
    """The key in a file of ours; HostError when there is none, or when others may read it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            found, data = os.fstat(fd), file.read(128)
    except OSError as error:
        raise HostError(
            f"cannot read the key in {path}: {error.strerror}",
            _ANOTHER,
        ) from error
    if not S_ISREG(found.st_mode) or found.st_mode & 0o077 or found.st_uid not in (0, os.geteuid()):
        raise HostError(f"others may read the key in {path}", f"chmod 600 {path}; chown root {path}")
    try:
        return key_bytes(data.decode("ascii").strip())
    except ValueError as error:
        raise HostError(
            f"{path} holds no WireGuard key",
            f"remove it, and {_ANOTHER}",
        ) from error


def key_bytes(base64: str) -> bytes:
    """A key's 32 bytes; ValueError when it is none."""
    try:
        found = a2b_base64(base64, strict_mode=True)
    except Error as error:
        raise ValueError("no base64") from error
    if len(found) != _KEY:
        raise ValueError("no 32 bytes")
    return found


def mark(preshared: bytes) -> str:
    """What a preshared key is known by: twelve hexadecimal digits that tell nothing of it, "" for none."""
    return blake2s(preshared, digest_size=6, person=b"netkit").hexdigest() if preshared != _NOTHING else ""


def decode(pieces: Sequence[bytes]) -> Tunnel:
    """A link from the messages that show it: a peer with many prefixes may go on in the next message."""
    public, port, peers = b"", 0, dict[str, TunnelPeer]()
    for piece in pieces:
        found = attributes(piece, GENERIC.size)
        public, port = found.get(_PUBLIC_KEY, public), number(found.get(_LISTEN_PORT, u32(port)))
        for _, inner in every_attribute(found.get(_PEERS, b"")):
            peer = _decode_peer(attributes(inner))
            before = peers.get(peer.public)
            peers[peer.public] = before.replace(allowed=before.allowed | peer.allowed) if before else peer
    return Tunnel(_base64(public), port, tuple(peers.values()))


def _told(dev: str, what: bytes) -> bytes:
    return GENERIC.pack(_SET_DEVICE, 1) + attr(_IFNAME, text(dev)) + what


def _peer(op: PeerAdd) -> bytes:
    """All that a peer is, so that nothing of a former one is left."""
    found = attr(_PEER_KEY, key_bytes(op.public)) + attr(_ENDPOINT, _endpoint(op.endpoint))
    found += attr(_PRESHARED, secret(op.psk) if op.psk else _NOTHING)
    found += attr(_KEEPALIVE, _u16(op.keepalive)) + attr(_FLAGS, u32(_REPLACE_ALLOWED))
    return _list(_PEERS, [found + _list(_ALLOWED, [_allowed(prefix) for prefix in op.allowed])])


def _allowed(prefix: str) -> bytes:
    address, _, length = prefix.partition("/")
    head = attr(_IP_FAMILY, _u16(_FAMILIES[family(address)]))
    return head + attr(_IP_ADDRESS, address_bytes(address)) + attr(_IP_LENGTH, bytes([int(length)]))


def _endpoint(where: str) -> bytes:
    address, _, port = where.rpartition(":")
    packed = address_bytes(address.strip("[]"))
    if len(packed) == 4:
        return _u16(AF_INET) + _FOUR.pack(int(port), packed)
    return _u16(AF_INET6) + _SIX.pack(int(port), 0, packed, 0)


def _decode_peer(found: dict[int, bytes]) -> TunnelPeer:
    allowed = (attributes(inner) for _, inner in every_attribute(found.get(_ALLOWED, b"")))
    return TunnelPeer(
        _base64(found.get(_PEER_KEY, b"")),
        _decode_endpoint(found.get(_ENDPOINT, b"")),
        frozenset(_decode_allowed(each) for each in allowed),
        number(found.get(_KEEPALIVE, b"")),
        mark(found.get(_PRESHARED, _NOTHING)),
        0 <= time.time() - number(found.get(_HANDSHAKE, b"")[:8]) < _FRESH,
    )


def _decode_allowed(found: dict[int, bytes]) -> str:
    return f"{_address(found.get(_IP_ADDRESS, b''))}/{number(found.get(_IP_LENGTH, b''))}"


def _decode_endpoint(packed: bytes) -> str:
    if len(packed) == 2 + _FOUR.size:
        port, address = _FOUR.unpack_from(packed, 2)
        return f"{_address(address)}:{port}"
    if len(packed) == 2 + _SIX.size:
        port, _, address, _ = _SIX.unpack_from(packed, 2)
        return f"[{_address(address)}]:{port}"
    return ""


def _address(packed: bytes) -> str:
    """As netkit writes it: the C library has an own way with some of IPv6."""
    return canonical(int.from_bytes(packed, "big"), 4 if len(packed) == 4 else 6)


def _list(kind: int, items: Sequence[bytes]) -> bytes:
    """A list, each of whose items is marked as nested: the kernel looks at that."""
    return attr(kind | NLA_F_NESTED, b"".join(attr(NLA_F_NESTED, item) for item in items))


def _base64(key: bytes) -> str:
    return b2a_base64(key, newline=False).decode("ascii")


def _u16(value: int) -> bytes:
    return value.to_bytes(2, byteorder)
