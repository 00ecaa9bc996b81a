"""Packets in packets: where a VXLAN or UDP-overlay frame hides the one that it carries. Pure.

VXLAN         ... UDP | flags 08, VNI | Ethernet frame
UDP overlay   ... UDP | IP packet, as flannel's backend of that name sends it
"""

from __future__ import annotations

from netkit.probe.packet import UDP, of_ip, parse
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from netkit.probe.packet import Packet

#: The port that IANA gave to VXLAN, and the one that Linux and flannel used before.
VXLAN_PORTS = (4789, 8472)
#: Where the UDP overlay listens.
OVERLAY_PORTS = (8285,)
_HEADER = 8


class Tunnel(Value):
    """A packet inside another: `offset` is where it begins in the outer frame, `vni` is -1 where there is none."""

    kind: str
    offset: int
    inner: Packet
    vni: int = -1


def unwrap(packet: Packet, vxlan_ports: Collection[int] = VXLAN_PORTS) -> Tunnel | None:
    """What a packet carries, None when it is no tunnel's."""
    if packet.protocol != UDP or not packet.l4:
        return None
    offset, frame = packet.l4 + _HEADER, packet.frame
    if packet.dport in vxlan_ports and len(frame) >= offset + _HEADER + 14 and frame[offset] & 0x08:
        vni = int.from_bytes(frame[offset + 4 : offset + 7], "big")
        return Tunnel("vxlan", offset + _HEADER, parse(frame[offset + _HEADER :]), vni)
    if packet.dport in OVERLAY_PORTS and len(frame) >= offset + 20 and frame[offset] >> 4 in (4, 6):
        return Tunnel("udp", offset, of_ip(frame[offset:]))
    return None


def layers(packet: Packet, vxlan_ports: Collection[int] = VXLAN_PORTS) -> list[Packet]:
    """The packet, the one in it, and so on."""
    found = [packet]
    while tunnel := unwrap(found[-1], vxlan_ports):
        found.append(tunnel.inner)
    return found
