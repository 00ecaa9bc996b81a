"""Causes on the wire: links, MTUs, forwarding entries, tunnels, and who has the next hop's address. Pure."""

from __future__ import annotations

import errno

from netkit.probe.cause import Cause, down, narrow
from netkit.probe.evidence import HOST
from netkit.probe.packet import ICMP, ICMP6
from netkit.probe.sighting import ASK, ERROR, REQUEST, TOLD, asked_for
from netkit.probe.tables import EVERY_MAC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.probe.evidence import End, Evidence
    from netkit.probe.sighting import Sighting
    from netkit.probe.tables import Hop, Place, Port

_TOO_BIG = ((ICMP, (3, 4)), (ICMP6, (2, 0)))
_NO_SUCH_PORT = ((ICMP, (3, 3)), (ICMP6, (1, 4)))


def too_big(evidence: Evidence, leg: str) -> Cause | None:
    """The kernel refused to send it, a router said so, or a link on the way is narrower than the packet."""
    if evidence.result.errno == errno.EMSGSIZE and not evidence.of(REQUEST):
        return _too_big_to_send(evidence)
    for one in evidence.of(ERROR):
        if (one.packet.protocol, one.packet.code) in _TOO_BIG:
            return narrow(_told_mtu(one), _who_told(evidence, one))
    last = evidence.last(leg)
    return _too_big_for_next(evidence, leg, last) if last else None


def _too_big_to_send(evidence: Evidence) -> Cause:
    source = evidence.place(evidence.source.place)
    port = source.port(source.there.dev)
    return narrow(port.link.mtu if port else 0, f"{source.name} {source.there.dev}")


def _told_mtu(one: Sighting) -> int:
    """IPv4 has it in the lower half of the word."""
    word = one.packet.frame[one.packet.l4 + 4 : one.packet.l4 + 8]
    return int.from_bytes(word if one.packet.protocol == ICMP6 else word[2:], "big")


def _who_told(evidence: Evidence, one: Sighting) -> str:
    """A router speaks for itself; a VXLAN device that is a bridge's port does so by the receiver's address."""
    borrowed = any(one.packet.src == seen.packet.dst for seen in evidence.of(REQUEST))
    return f"{one.place} {one.link}" if borrowed else one.packet.src


def _too_big_for_next(evidence: Evidence, leg: str, last: Sighting) -> Cause | None:
    """Of frames that are too long, a bridge's port and a veth's far end tell nobody."""
    if last.outgoing:
        wire = last.wire
        for place, port in _others(evidence, last.place):
            if port.link.mac == wire.dst_mac and port.link.mtu < wire.ip_length:
                return narrow(port.link.mtu, f"{place.name} {port.link.name}")
        return None
    place, (_, receiver) = evidence.place(last.place), evidence.ends(leg)
    came = place.port(last.link)
    way = place.port(receiver.host_ifname) if came and came.link.master else None
    return narrow(way.link.mtu, f"{HOST} {way.link.name}") if way and way.link.mtu < last.packet.ip_length else None


def _others(evidence: Evidence, name: str) -> Iterator[tuple[Place, Port]]:
    return ((place, port) for place in evidence.places if place.name != name for port in place.ports)


def link_down(evidence: Evidence, leg: str) -> Cause | None:
    """A link at either end, or the bridge between, is not up."""
    sender, receiver = evidence.ends(leg)
    last = evidence.last(leg)
    ways = [(sender, sender.ifname)] if not last else []
    ways += [(receiver, receiver.ifname)] if (last and last.place == HOST) or not last else []
    for end, name in ways:
        if end.place in ("", HOST) or not name:
            continue
        port, host = evidence.place(end.place).port(name), evidence.place(HOST).port(end.host_ifname)
        if port and not port.link.up:
            return down(end.place, name, "is down", attached=True)
        if end.host_ifname and (host is None or not host.link.up):
            return down(HOST, end.host_ifname, "is down" if host else "is gone")
    return _bridge_down(evidence, sender, receiver)


def _bridge_down(evidence: Evidence, *ends: End) -> Cause | None:
    host = evidence.place(HOST)
    for end in ends:
        port = host.port(end.host_ifname)
        bridge = host.port(port.link.master) if port and port.link.master else None
        if bridge and not bridge.link.up:
            return down(HOST, bridge.link.name, "is down")
    return None


def lost_in_bridge(evidence: Evidence, leg: str) -> Cause | None:
    """It came into a bridge by one port and had to leave by another, but the bridge or that port is down."""
    last = evidence.stuck(leg)
    place = evidence.place(last.place) if last else None
    port = place.port(last.link) if last and place else None
    bridge = place.port(port.link.master) if place and port and port.link.master else None
    if not last or not place or not bridge:
        return None
    if not bridge.link.up:
        return down(place.name, bridge.link.name, "is down")
    if bridge.link.mac in ("", last.packet.dst_mac):
        return None
    out = next((one.dev for one in place.fdb if (one.mac, one.master) == (last.packet.dst_mac, bridge.link.name)), "")
    ports = [one for one in place.ports if one.link.master == bridge.link.name and out in ("", one.link.name)]
    off = next((one.link for one in ports if not one.link.up or not one.carrier), None)
    return down(place.name, off.name, "has no carrier" if off.up else "is down") if off else None


def no_fdb_entry(evidence: Evidence, leg: str) -> Cause | None:
    """A bridge that does not flood, or a VXLAN device, does not know where the MAC is."""
    last = evidence.last(leg)
    if not last or last.inside:
        return None
    place, mac = evidence.place(last.place), last.packet.dst_mac
    port = place.port(last.link)
    if port and port.vni >= 0 and last.outgoing:
        return None if _leads_on(place, port, mac) else _no_entry(place.name, mac, last.link, _append(mac, last.link))
    _, receiver = evidence.ends(leg)
    to = place.port(receiver.host_ifname) if last.place == HOST else None
    if not to or to.floods or any((one.mac, one.dev) == (mac, to.link.name) for one in place.fdb):
        return None
    hint = f"bridge fdb add {mac} dev {to.link.name} master static, or flood on"
    return _no_entry(HOST, mac, to.link.master, hint)


def _leads_on(place: Place, port: Port, mac: str) -> bool:
    """Whether a VXLAN device knows where to send what is for this MAC."""
    return any(one.dev == port.link.name and one.dst and one.mac in (mac, EVERY_MAC) for one in place.fdb)


def _append(mac: str, device: str) -> str:
    return f"bridge fdb append {mac} dev {device} dst PEER"


def _no_entry(place: str, mac: str, device: str, hint: str) -> Cause:
    why = f"{device} has no forwarding entry for {mac}, and does not flood to where it is"
    return Cause("no-fdb-entry", f"{place} {device}", why, hint)


def lost_in_tunnel(evidence: Evidence, leg: str) -> Cause | None:
    """It came to the tunnel's other end, where nobody takes it out."""
    last = evidence.last(leg)
    if not last or (not last.outgoing and not last.inside):
        last = _question(evidence, leg)
    if last and last.inside and not last.outgoing:
        return _not_taken_out(evidence.place(last.place), last)
    for one in evidence.of(ERROR):
        if (one.packet.protocol, one.packet.code) in _NO_SUCH_PORT and (sent := _carrier_of(evidence, one)):
            return _no_tunnel(one.packet.src, sent)
    return None


def _carrier_of(evidence: Evidence, error: Sighting) -> Sighting | None:
    """The sighting whose tunnel's packet an error from the other end is about."""
    return next((one for one in evidence.sightings if one.carrier and one.carrier.dst == error.packet.src), None)


def _question(evidence: Evidence, leg: str) -> Sighting | None:
    """The last sighting of the question who has the next hop's address, for which the packet itself is waiting."""
    last = evidence.last(leg)
    name = last.place if last else evidence.ends(leg)[0].place
    wanted = evidence.hop(leg, name).via or _goes_to(evidence, leg)
    asked = [one for one in evidence.of(ASK) if asked_for(one.packet) == wanted]
    return asked[-1] if asked else None


def _goes_to(evidence: Evidence, leg: str) -> str:
    """The address that a leg goes to where it was seen last; an answer, to that which the request came from."""
    if last := evidence.last(leg):
        return last.packet.dst
    asked = evidence.last(REQUEST)
    return asked.packet.src if asked and leg != REQUEST else evidence.probe.dst


def _not_taken_out(place: Place, last: Sighting) -> Cause | None:
    where, port = f"{place.name} {last.link}", last.wire.dport
    hop = dict(place.under).get(last.wire.dst)
    if last.vni < 0 or not hop or hop.kind != "local":
        return None
    listening = [found for found in place.ports if found.vni >= 0 and found.udp_port == port]
    if not listening:
        return _no_tunnel(where, last)
    ours = next((found for found in listening if found.vni == last.vni), None)
    if ours:
        return None if ours.link.up else down(place.name, ours.link.name, "is down")
    names = ", ".join(f"{found.link.name} has VNI {found.vni}" for found in listening)
    return Cause(
        "wrong-vni",
        where,
        f"it came in by VXLAN with VNI {last.vni}, and no device of {place.name} has that: {names}",
        f"one VNI at both ends: ip -d link show type vxlan, and make one of the devices anew with id {last.vni}",
    )


def _no_tunnel(where: str, last: Sighting) -> Cause:
    return Cause(
        "no-tunnel",
        where,
        f"it came there {last.inside}, UDP port {last.wire.dport}, and nobody there takes packets of that port",
        "make that end of the tunnel, or agree on the port (ip link add ... type vxlan ... dstport): 4789, or 8472",
    )


def no_neighbour(evidence: Evidence, leg: str) -> Cause | None:
    """Whoever sends it on asks who has the next hop's address, and nobody answers."""
    last = evidence.last(leg)
    place = evidence.place(last.place if last else evidence.ends(leg)[0].place)
    if last and (last.inside or last.place == evidence.ends(leg)[1].place != HOST):
        return None
    for address, hop in _next_hops(evidence, leg, place, last):
        if hop.errno:
            why = f"{place.name} has to send it through a tunnel to {address}, and has no route there"
            return Cause("no-route", place.name, why, f"a route to {address}: ip route get {address}")
        wanted = hop.via or address
        neighbour = place.neighbour(wanted, hop.dev)
        if neighbour and neighbour.mac:
            continue
        if (neighbour and neighbour.missing) or _unanswered(evidence, place, wanted):
            return _nobody_has(place, wanted, hop)
    return None


def _next_hops(evidence: Evidence, leg: str, place: Place, last: Sighting | None) -> Iterator[tuple[str, Hop]]:
    """(address, the route to it) of all that the packet may still be waiting for: its own, those of tunnels."""
    hop = evidence.hop(leg, place.name)
    port = place.port(last.link) if last else None
    if last and last.outgoing:
        if port and port.vni >= 0:
            yield from place.under
    elif hop.dev and hop.kind != "local":
        yield _goes_to(evidence, leg), hop


def _nobody_has(place: Place, wanted: str, hop: Hop) -> Cause:
    port = place.port(hop.dev)
    if port and port.vni >= 0 and not _leads_on(place, port, EVERY_MAC):
        hint = f"{_append(EVERY_MAC, hop.dev)}, or one neighbour entry and one forwarding entry for each address there"
        return _no_entry(place.name, f"the question who has {wanted}", hop.dev, hint)
    return Cause(
        "no-neighbour",
        f"{place.name} {hop.dev}",
        f"nobody on {hop.dev} has the address {wanted}: {place.name} asked, and got no answer",
        "is that machine up, on this link, with that address? ip neigh, and the route that leads there: " + str(hop),
    )


def _unanswered(evidence: Evidence, place: Place, wanted: str) -> bool:
    def about(leg: str) -> bool:
        return any(one.place == place.name and asked_for(one.packet) == wanted for one in evidence.of(leg))

    return about(ASK) and not about(TOLD)


def wrong_mac(evidence: Evidence, leg: str) -> Cause | None:
    """It came in under a MAC address that is not the link's: whoever sent it holds an old one."""
    last = evidence.last(leg)
    port = evidence.place(last.place).port(last.link) if last else None
    if not last or not port or last.outgoing or last.inside or not evidence.for_another(last):
        return None
    return Cause(
        "wrong-mac",
        f"{last.place} {last.link}",
        f"it came in for {last.packet.dst_mac}, but {last.link} has the MAC {port.link.mac}, so it was not taken in",
        "whoever sent it holds an old neighbour entry (ip neigh), or the MAC was changed: delete the entry there",
    )
