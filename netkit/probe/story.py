"""The firewall's events told as a story: in which hook each was, on which leg, and what the rule reads. Pure."""

from __future__ import annotations

from netkit.probe.evidence import Said
from netkit.probe.packet import ACK, ARP, ICMP, ICMP6, RST, SYN, TCP
from netkit.probe.sighting import ANSWER, REQUEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.probe.nftrace import Event
    from netkit.probe.packet import Packet
    from netkit.probe.probe import Probe
    from netkit.probe.rulebook import Rulebook

_REQUESTS = frozenset({(ICMP, 8), (ICMP6, 128)})


def told(probe: Probe, events: Iterable[Event], book: Rulebook) -> tuple[Said, ...]:
    """What was said of the probe, its answer and the question for its next hop, each thing once."""
    hooks: dict[int, str] = {}
    found: dict[Said, None] = {}
    for event in events:
        place = book.place(event.family, event.table, event.chain)
        hook = book.hook(place, event.chain) or hooks.get(event.ident, "")
        hooks[event.ident] = hook
        if event.packet is None or not (leg := _leg(probe, event.packet)) or _is_end(event):
            continue
        said = Said(
            f"{place} {event.chain}",
            hook,
            event.kind,
            event.verdict,
            _words(event, place, book),
            leg,
            event.family == "bridge",
            event.packet.kind == ARP,
        )
        found[said] = None
    return tuple(found)


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
