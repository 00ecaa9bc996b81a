"""The way of a packet, step by step: sightings and the firewall's words in the order of the kernel's path. Pure.

sender: out | host: in | bridge rules | IP rules | host: out | receiver: in
"""

from __future__ import annotations

from netkit.probe.evidence import HOST
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
    sender, receiver = evidence.ends(leg)
    seen = [one for one in evidence.of(leg) if one.place in (HOST, sender.place, receiver.place)]
    words = [one for one in evidence.said if one.leg == leg]
    host_in = [one for one in seen if one.place == HOST and not one.outgoing]
    host_out = [one for one in seen if one.place == HOST and one.outgoing]
    if sender.place == HOST:
        yield from _spoken([one for one in words if one.hook in _OUTBOUND])
        yield from host_out
        yield from host_in
        yield from _spoken([one for one in words if one.hook not in _OUTBOUND])
    else:
        yield from (one for one in seen if one.place == sender.place and one.outgoing)
        yield from host_in[:1]
        yield from _spoken([one for one in words if one.bridged])
        yield from host_in[1:]
        yield from _spoken([one for one in words if not one.bridged])
        yield from host_out
    if receiver.place != HOST:
        yield from (one for one in seen if one.place == receiver.place and not one.outgoing)


def _spoken(words: list[Said]) -> Iterator[Step]:
    """What a person wants to know of the firewall: rules that matched, and policies that ended it."""
    for one in words:
        if one.kind == "rule" or one.dropped:
            yield Step(one.leg, HOST, one.where, one.verdict, by=one.rule)


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
