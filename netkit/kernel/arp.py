"""Does another on a link have this address? Asked as a machine that boots asks, by an ARP probe (RFC 5227)."""

from __future__ import annotations

import _socket
import time
from struct import Struct

from netkit.errors import HostError

_ETH_P_ARP, _REQUEST = 0x0806, 1
#: Ethernet header, then hardware type to operation, then sender's MAC and address, target's MAC and address.
_FRAME = Struct("!6s6sH HHBBH 6s4s6s4s")


def held_by_another(dev: str, address: str, mac: str, patience: float = 0.3) -> str:
    """The MAC of another that answers for an IPv4 address on a link, "" when nobody does within so many seconds."""
    mine, wanted = bytes.fromhex(mac.replace(":", "")), _socket.inet_aton(address)
    kind = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
    try:
        sock = _socket.socket(_socket.AF_PACKET, kind, 0)  # it hears nothing of other links before it is bound to one
    except OSError as error:
        raise HostError(f"no packet socket on {dev}: {error.strerror}", "run as root") from error
    try:
        sock.bind((dev, _ETH_P_ARP))
        probe = (b"\xff" * 6, mine, _ETH_P_ARP, 1, 0x0800, 6, 4, _REQUEST, mine, bytes(4), bytes(6), wanted)
        sock.send(_FRAME.pack(*probe))
        return _heard(sock, wanted, mine, time.monotonic() + patience)
    except OSError as error:
        raise HostError(f"{dev} takes no ARP probe: {error.strerror}", f"ip link set dev {dev} up") from error
    finally:
        sock.close()


def _heard(sock: _socket.socket, wanted: bytes, mine: bytes, until: float) -> str:
    while (left := until - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            frame = sock.recv(128)
        except TimeoutError:
            break
        if len(frame) >= _FRAME.size:
            *_, sender, address, _, _ = _FRAME.unpack_from(frame)
            if address == wanted and sender != mine:
                return str(sender.hex(":"))
    return ""
