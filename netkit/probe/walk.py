"""The way of a packet, step by step: sightings and the firewall's words in the order of the kernel's path. Pure.

sender: out | host: in | bridge rules | IP rules | host: out | (other hosts the same) | receiver: in
"""

from __future__ import annotations

from netkit.probe.packet import RST, TCP
from netkit.probe.sighting import ERROR, REQUEST
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.probe.evidence import Evidence, Said
    from netkit.probe.sighting import Sighting
    from netkit.probe.tables import Place

_OUTBOUND = ("output", "postrouting")


class Step(Value):
    """One step: a link that was passed (`way` is in or out), or a chain (`way` is the verdict); `by` decided."""

    leg: str
    place: str
    at: str
    way: str
    packet: str = ""
    by: str = ""


def walk(evidence: Evidence, leg: str) -> tuple[Step, ...]:
    """The steps of one leg."""
    before = ""
    steps = []
    for passed in _ordered(evidence, leg):
        step = passed if isinstance(passed, Step) else _passed(evidence, passed)
        shown = step.packet if step.packet != before else ""
        before = step.packet or before
        steps.append(step.replace(packet=shown))
    return tuple(steps)


def _ordered(evidence: Evidence, leg: str) -> Iterator[Sighting | Step]:
    if leg == ERROR:
        yield from evidence.of(ERROR)
        return
    sender, _ = evidence.ends(leg)
    said = [one for one in evidence.said if one.leg == leg]
    places = [sender.place, *(one.place for one in evidence.of(leg)), *(one.place for one in said)]
    for place in dict.fromkeys(places):
        words = [one for one in said if one.place == place]
        came = [one for one in evidence.of(leg) if one.place == place and not one.outgoing]
        left = [one for one in evidence.of(leg) if one.place == place and one.outgoing]
        yield from _sent(words, left, came) if place == sender.place else _passed_on(words, came, left)


def _sent(words: list[Said], left: list[Sighting], came: list[Sighting]) -> Iterator[Sighting | Step]:
    """Out of where it was made; what comes in again there has been sent to its own sender."""
    yield from _spoken([one for one in words if one.hook in _OUTBOUND])
    yield from left
    yield from came
    yield from _spoken([one for one in words if one.hook not in _OUTBOUND])


def _passed_on(words: list[Said], came: list[Sighting], left: list[Sighting]) -> Iterator[Sighting | Step]:
    """In by a link, and by the bridge that this is a port of; then what IP's rules say, and out.

    Input and output are for packets of this place alone: those of a tunnel that the probe came or goes in.
    """
    first = [one for one in words if one.bridged or one.hook == "input"]
    tunnel = [one for one in words if one.hook == "output"]
    yield from came[:1]
    yield from _spoken(first)
    yield from came[1:]
    yield from _spoken([one for one in words if one not in first and one not in tunnel])
    yield from left[:1]
    yield from _spoken(tunnel)
    yield from left[1:]


def _spoken(words: list[Said]) -> Iterator[Step]:
    """What a person wants to know of the firewall: rules that matched, and policies that ended it."""
    for one in words:
        if one.kind == "rule" or one.dropped:
            yield Step(one.leg, one.place, one.where, one.verdict, by=one.rule)


def _passed(evidence: Evidence, one: Sighting) -> Step:
    place = evidence.place(one.place)
    return Step(one.leg, one.place, one.link, one.way, _ends(one), one.inside or _decided(place, one))


def _ends(one: Sighting) -> str:
    packet = one.packet
    return f"{_end(packet.src, packet.sport)} > {_end(packet.dst, packet.dport)}{_kind(one)}"


def _kind(one: Sighting) -> str:
    if one.leg == ERROR:
        kind, code = one.packet.code
        return f" ICMP error, type {kind} code {code}"
    if one.packet.protocol == TCP:
        return " RST" if one.packet.flags & RST else " SYN" if one.leg == REQUEST else " SYN-ACK"
    return ""


def _end(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _decided(place: Place, one: Sighting) -> str:
    """The table entry that sent a packet out of this link, or what this link belongs to."""
    port = place.port(one.link)
    if port and port.link.master:
        return _port(place, one) if one.outgoing else f"port of {port.link.master}"
    if not one.outgoing or one.leg == ERROR:
        return ""
    hop = place.there if one.leg == REQUEST else place.back
    if hop.dev != one.link:
        return ""
    asked = hop.via or one.packet.dst
    neighbour = place.neighbour(asked, one.link)
    return f"route {hop}" + (f"; {asked} is {neighbour.mac}" if neighbour and neighbour.mac else "")


def _port(place: Place, one: Sighting) -> str:
    mac = one.packet.dst_mac
    found = next((entry for entry in place.fdb if (entry.mac, entry.dev) == (mac, one.link)), None)
    return f"fdb {mac} dev {one.link}" if found else "flooded: no fdb entry for its MAC"
