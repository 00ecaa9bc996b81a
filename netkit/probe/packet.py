"""The few fields of a raw Ethernet frame that filters and traces ask for. Pure, and quick: it sees every packet.

    dst mac | src mac | [VLAN tags] | type | IPv4, IPv6 or ARP | TCP, UDP or ICMP

What is cut short or unknown is left at its default; nothing here raises.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop

from netkit.value import Value

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

_VLAN = frozenset({0x8100, 0x88A8})
#: IPv6 headers that stand before the transport's: hop-by-hop, routing, destination options.
_EXTENSIONS = frozenset({0, 43, 60})
_FRAGMENT = 44


class Packet(Value):
    """One frame. `at` is where the network header begins, `l4` the transport's, 0 where that is not in it.

    `src` and `dst` are IP addresses, of ARP the sender's and the target's; ports are 0 where there are none. `ident` is
    an ICMP echo's identifier, `code` ICMP's type and code or TCP's flags; `df` forbids routers to fragment.
    """

    frame: bytes
    kind: int = 0
    at: int = 14
    src: str = ""
    dst: str = ""
    protocol: int = 0
    l4: int = 0
    sport: int = 0
    dport: int = 0
    code: tuple[int, int] = (0, 0)
    ident: int = 0
    df: bool = False

    @property
    def src_mac(self) -> str:
        """The sender's MAC address."""
        return self.frame[6:12].hex(":")

    @property
    def dst_mac(self) -> str:
        """The receiver's MAC address."""
        return self.frame[:6].hex(":")

    @property
    def flags(self) -> int:
        """TCP's flags, 0 for anything else."""
        return self.code[0] if self.protocol == TCP else 0

    @property
    def sequence(self) -> int:
        """TCP's sequence number."""
        return int.from_bytes(self.frame[self.l4 + 4 : self.l4 + 8], "big")

    @property
    def acknowledged(self) -> int:
        """TCP's acknowledgement number."""
        return int.from_bytes(self.frame[self.l4 + 8 : self.l4 + 12], "big")

    @property
    def payload(self) -> bytes:
        """What follows a UDP or ICMP header."""
        return self.frame[self.l4 + 8 :] if self.l4 else b""

    @property
    def ip_length(self) -> int:
        """The bytes from the network header on."""
        return len(self.frame) - self.at


def parse(frame: bytes) -> Packet:
    """The fields of a frame."""
    at, kind = 14, _u16(frame, 12)
    while kind in _VLAN:
        at, kind = at + 4, _u16(frame, at + 2)
    if kind == IPV4 and len(frame) >= at + 20:
        return _ipv4(frame, at)
    if kind == IPV6 and len(frame) >= at + 40:
        return _ipv6(frame, at)
    if kind == ARP and len(frame) >= at + 28:
        src, dst = inet_ntop(AF_INET, frame[at + 14 : at + 18]), inet_ntop(AF_INET, frame[at + 24 : at + 28])
        return Packet(frame, kind, at, src, dst, code=(_u16(frame, at + 6), 0))
    return Packet(frame, kind, at)


def of_ip(packet: bytes) -> Packet:
    """The fields of an IP packet that has no Ethernet header: it gets an empty one."""
    return parse(bytes(12) + (b"\x86\xdd" if packet[:1] and packet[0] >> 4 == 6 else b"\x08\x00") + packet)


def _ipv4(frame: bytes, at: int) -> Packet:
    src, dst = inet_ntop(AF_INET, frame[at + 12 : at + 16]), inet_ntop(AF_INET, frame[at + 16 : at + 20])
    fragment = _u16(frame, at + 6)
    first = fragment & 0x1FFF == 0
    l4 = at + (frame[at] & 15) * 4 if first else 0
    return _transport(frame, IPV4, at, src, dst, frame[at + 9], l4, bool(fragment & 0x4000))


def _ipv6(frame: bytes, at: int) -> Packet:
    src, dst = inet_ntop(AF_INET6, frame[at + 8 : at + 24]), inet_ntop(AF_INET6, frame[at + 24 : at + 40])
    protocol, l4 = frame[at + 6], at + 40
    while protocol in _EXTENSIONS and len(frame) >= l4 + 8:
        protocol, l4 = frame[l4], l4 + (frame[l4 + 1] + 1) * 8
    if protocol == _FRAGMENT and len(frame) >= l4 + 8:
        later = _u16(frame, l4 + 2) >> 3
        protocol, l4 = frame[l4], 0 if later else l4 + 8
    return _transport(frame, IPV6, at, src, dst, protocol, l4, True)


def _transport(frame: bytes, kind: int, at: int, src: str, dst: str, protocol: int, l4: int, df: bool) -> Packet:
    whole = l4 > 0 and len(frame) >= l4 + 8
    sport = dport = ident = 0
    code = (0, 0)
    if whole and protocol in (TCP, UDP):
        sport, dport = _u16(frame, l4), _u16(frame, l4 + 2)
        code = (frame[l4 + 13], 0) if protocol == TCP and len(frame) > l4 + 13 else code
    elif whole and protocol in (ICMP, ICMP6):
        code, ident = (frame[l4], frame[l4 + 1]), _u16(frame, l4 + 4)
    return Packet(frame, kind, at, src, dst, protocol, l4 if whole else 0, sport, dport, code, ident, df)


def _u16(frame: bytes, at: int) -> int:
    return int.from_bytes(frame[at : at + 2], "big")
