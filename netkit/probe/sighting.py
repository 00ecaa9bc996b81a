"""Which of the captured frames are the probe, its answer, an error about it, or the question for its next hop. Pure.

NAT changes addresses and ports on the way, so a UDP or ICMP probe is known by its token and a SYN by its sequence
number, which the first sighting tells; an answer by that number, or because it goes the way of a request back.
"""

from __future__ import annotations

from _socket import AF_INET6, inet_ntop

from netkit.probe.packet import ACK, ARP, ICMP, ICMP6, RST, SYN, TCP, UDP, of_ip, parse
from netkit.probe.tunnel import VXLAN_PORTS, layers, unwrap
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from netkit.probe.packet import Packet
    from netkit.probe.probe import Probe
    from netkit.probe.sniffer import Frame

REQUEST, ANSWER, ERROR, ASK, TOLD = "request", "answer", "error", "ask", "told"
_ECHO, _REPLY = {ICMP: 8, ICMP6: 128}, {ICMP: 0, ICMP6: 129}
_ERRORS = {ICMP: frozenset({3, 11}), ICMP6: frozenset({1, 2, 3})}
_SOLICIT, _ADVERT = 135, 136


class Sighting(Value):
    """One packet of the probe's story at one link; inside a tunnel, `carrier` is the packet that it was in."""

    place: str
    link: str
    outgoing: bool
    leg: str
    packet: Packet
    time: int = 0
    carrier: Packet | None = None
    vni: int = -1

    @property
    def way(self) -> str:
        """`out` or `in`, as the place sees it."""
        return "out" if self.outgoing else "in"

    @property
    def inside(self) -> str:
        """What it was seen in, "" when in nothing."""
        if self.carrier is None:
            return ""
        name = f"VXLAN, VNI {self.vni}" if self.vni >= 0 else "the UDP overlay"
        return f"inside {name}, to {self.carrier.dst}"

    @property
    def wire(self) -> Packet:
        """The frame as it was on the link."""
        return self.carrier or self.packet


def may_matter(probe: Probe, frame: bytes) -> bool:
    """Whether a frame could be of the story: on a busy host most are of some TCP connection's middle, and are not."""
    return any(
        packet.kind == ARP
        or packet.protocol in _ERRORS
        or (packet.protocol == probe.number and (packet.protocol != TCP or packet.flags & (SYN | RST)))
        for packet in layers(parse(frame))
    )


def recognise(
    probe: Probe, seen: Iterable[tuple[str, Frame]], vxlan_ports: Sequence[int] = VXLAN_PORTS
) -> tuple[Sighting, ...]:
    """The sightings in the order of time; of retransmissions, the first at each link."""
    ordered = sorted(seen, key=lambda pair: (pair[1].time, not pair[1].outgoing))
    known = _Known(probe)
    first: dict[tuple[object, ...], Sighting] = {}
    for place, frame in ordered:
        for vni, carrier, packet in _peeled(parse(frame.data), vxlan_ports):
            if leg := known.leg(packet):
                found = Sighting(place, frame.link, frame.outgoing, leg, packet, frame.time, carrier, vni)
                first.setdefault((place, frame.link, frame.outgoing, leg, found.inside, _asked(packet)), found)
                known.carried_by(carrier)
    return tuple(first.values())


def _peeled(packet: Packet, vxlan_ports: Sequence[int]) -> Iterator[tuple[int, Packet | None, Packet]]:
    """A packet and those in it, each with the VNI and the packet that it is in."""
    vni, carrier = -1, None
    while True:
        yield vni, carrier, packet
        tunnel = unwrap(packet, vxlan_ports)
        if tunnel is None:
            return
        vni, carrier, packet = tunnel.vni, packet, tunnel.inner


class _Known:
    """What is known of the probe so far."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._sequence = -1
        self._ways: set[tuple[str, str, int, int]] = set()
        self._carriers: set[tuple[str, str, int, int]] = set()

    def carried_by(self, carrier: Packet | None) -> None:
        """An error about a packet that carries one of ours is about ours."""
        if carrier:
            self._carriers.add((carrier.src, carrier.dst, carrier.sport, carrier.dport))

    def leg(self, packet: Packet) -> str:
        """Which part of the story a packet is, "" when of none."""
        if packet.kind == ARP:
            return ASK if packet.code[0] == 1 else TOLD
        if packet.protocol == ICMP6 and packet.code[0] in (_SOLICIT, _ADVERT):
            return ASK if packet.code[0] == _SOLICIT else TOLD
        if self._is_request(packet):
            self._ways.add((packet.src, packet.dst, packet.sport, packet.dport))
            return REQUEST
        if self._is_answer(packet):
            return ANSWER
        return ERROR if self._is_error(packet) else ""

    def _is_request(self, packet: Packet) -> bool:
        probe = self._probe
        if packet.protocol != probe.number or not packet.l4:
            return False
        if packet.protocol == TCP:
            return packet.flags & (SYN | ACK | RST) == SYN and self._is_syn(packet)
        wanted = packet.protocol == UDP or packet.code[0] == _ECHO[packet.protocol]
        return wanted and packet.payload.startswith(probe.token)

    def _is_syn(self, packet: Packet) -> bool:
        if self._sequence < 0:
            if packet.sport != self._probe.sport:
                return False
            self._sequence = packet.sequence
        return packet.sequence == self._sequence

    def _is_answer(self, packet: Packet) -> bool:
        if packet.protocol != self._probe.number or not packet.l4:
            return False
        if packet.protocol == TCP:
            wanted = packet.flags & RST or packet.flags & (SYN | ACK) == SYN | ACK
            return bool(wanted) and packet.acknowledged == (self._sequence + 1) & 0xFFFFFFFF
        if packet.protocol == UDP:
            return (packet.dst, packet.src, packet.dport, packet.sport) in self._ways
        return packet.code[0] == _REPLY[packet.protocol] and packet.payload.startswith(self._probe.token)

    def _is_error(self, packet: Packet) -> bool:
        """An ICMP error carries the head of the packet that it is about."""
        if packet.code[0] not in _ERRORS.get(packet.protocol, ()) or not packet.l4:
            return False
        about = of_ip(packet.payload)
        ports = (about.src, about.dst, about.sport, about.dport)
        if about.protocol == UDP and ports in self._carriers:
            return True
        return about.protocol == self._probe.number and (
            ports in self._ways or about.payload.startswith(self._probe.token)
        )


def _asked(packet: Packet) -> str:
    return asked_for(packet) if packet.kind == ARP or packet.code[0] in (_SOLICIT, _ADVERT) else ""


def asked_for(packet: Packet) -> str:
    """The address that a who-has (ARP or neighbour solicitation) asks for; of an answer, the one it tells of."""
    if packet.kind == ARP:
        return packet.dst if packet.code[0] == 1 else packet.src
    target = packet.frame[packet.l4 + 8 : packet.l4 + 24]
    return inet_ntop(AF_INET6, target) if len(target) == 16 else ""
