"""The firewall's events told as a story: in which hook each was, on which leg, and what the rule reads. Pure.

A tunnel's packet is told without what it carries: it is of the leg that a packet socket saw inside, or, where it was
dropped before, of the packet that was told last, for that was put into it.
"""

from __future__ import annotations

from netkit.probe.evidence import HOST, Said
from netkit.probe.packet import ACK, ARP, ICMP, ICMP6, RST, SYN, TCP, UDP
from netkit.probe.sighting import ANSWER, REQUEST
from netkit.probe.tunnel import OVERLAY_PORTS, VXLAN_PORTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netkit.probe.nftrace import Event
    from netkit.probe.packet import Packet
    from netkit.probe.probe import Probe
    from netkit.probe.rulebook import Rulebook
    from netkit.probe.sighting import Sighting

    Way = tuple[str, str, int, int]

_REQUESTS = frozenset({(ICMP, 8), (ICMP6, 128)})


def carriers(sightings: Iterable[Sighting]) -> dict[Way, str]:
    """The leg that each tunnel's packet carried, by the packet's ends."""
    return {_way(one.carrier): one.leg for one in sightings if one.carrier}


def told(
    probe: Probe, events: Iterable[Event], book: Rulebook, place: str = HOST, carried: Mapping[Way, str] | None = None
) -> tuple[Said, ...]:
    """What was said in a place of the probe, its answer and the question for its next hop, each thing once."""
    hooks: dict[int, str] = {}
    leg = ""
    found: dict[Said, None] = {}
    for event in events:
        table = book.place(event.family, event.table, event.chain)
        hook = book.hook(table, event.chain) or hooks.get(event.ident, "")
        hooks[event.ident] = hook
        if event.packet is None or _is_end(event):
            continue
        inside = (carried or {}).get(_way(event.packet), leg)
        leg = inside if _carries(event.packet) else _leg(probe, event.packet)
        if leg:
            found[_said(event, table, hook, _words(event, table, book), leg, place)] = None
    return tuple(found)


def _said(event: Event, table: str, hook: str, words: str, leg: str, place: str) -> Said:
    arp = event.packet is not None and event.packet.kind == ARP
    where = f"{table} {event.chain}"
    return Said(where, hook, event.kind, event.verdict, words, leg, event.family == "bridge", arp, place)


def _carries(packet: Packet) -> bool:
    return packet.protocol == UDP and packet.dport in (*VXLAN_PORTS, *OVERLAY_PORTS)


def _way(packet: Packet) -> Way:
    return (packet.src, packet.dst, packet.sport, packet.dport)


def _is_end(event: Event) -> bool:
    return event.kind == "rule" and event.handle == 0


def _words(event: Event, place: str, book: Rulebook) -> str:
    if event.kind == "rule":
        return book.rule(place, event.chain, event.handle)
    return f"policy {event.verdict}" if event.kind == "policy" else event.kind


def _leg(probe: Probe, packet: Packet) -> str:
    """The leg of a packet, "" for a later one of the connection that the probe opened."""
    if packet.kind == ARP:
        return "arp"
    if packet.protocol in (ICMP, ICMP6):
        return REQUEST if (packet.protocol, packet.code[0]) in _REQUESTS else ANSWER
    leg = REQUEST if packet.sport == probe.sport else ANSWER
    if packet.protocol != TCP:
        return leg
    opening = packet.flags & (SYN | ACK | RST)
    return leg if opening == SYN or (leg == ANSWER and opening & (RST | SYN)) else ""
