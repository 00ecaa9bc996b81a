"""Why a packet was lost, by name. Each cause looks at the evidence alone, and the first that fits is told. Pure.

The order matters: what the firewall or the kernel itself said goes before what is concluded from tables.
"""

from __future__ import annotations

import errno

from netkit.model import bare
from netkit.probe.evidence import HOST
from netkit.probe.packet import ICMP, ICMP6
from netkit.probe.sighting import ANSWER, ASK, ERROR, REQUEST, TOLD, asked_for
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.probe.evidence import End, Evidence, Said
    from netkit.probe.tables import Hop, Place

    Rule = Callable[["Evidence", str], "Cause | None"]


#: What netkit's own chains drop, by the end of the chain's name.
_KEPT_APART = {
    "to_nat": "from outside, only published ports and answers come into a network",
    "from_int": "an internal network has no way out",
    "from_nat": "other tools' container networks are reached by published ports only",
    "first": "a container's own address is reached from its network only, loopback addresses from inside only",
    "forward": "containers that may not reach each other, an internal network, or transit that is not netkit's",
}
_FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}


class Cause(Value):
    """Why a packet was lost: a name for programs, where, what happened, what to do. `meant` is netkit's own doing."""

    name: str
    where: str
    why: str
    hint: str
    meant: bool = False


def cause(evidence: Evidence) -> Cause | None:
    """The likely cause of the loss, None when nothing was lost."""
    if evidence.result.kind == "refused" and not evidence.rejected:
        return _refused(evidence)
    leg = evidence.lost
    if not leg or (leg == ANSWER and evidence.probe.protocol == "udp" and not evidence.of(ANSWER)):
        return None  # nothing obliges anybody to answer a datagram
    return next((found for rule in _RULES if (found := rule(evidence, leg))), None) or _unknown(evidence, leg)


def _refused(evidence: Evidence) -> Cause:
    protocol, port = evidence.probe.protocol, evidence.probe.port
    who = evidence.target.place or evidence.probe.dst
    last = next((one for one in evidence.of(REQUEST) if one.place == evidence.target.place), evidence.last(REQUEST))
    port = last.packet.dport if last else port
    return Cause(
        "nothing-listens",
        who,
        f"the probe was delivered and refused: nothing listens on port {port}/{protocol} there",
        "start the server, or let it listen on 0.0.0.0 instead of 127.0.0.1; `ss -ltnu` inside shows what listens",
    )


def _dropped(evidence: Evidence, leg: str) -> Cause | None:
    """The firewall said so."""
    said = evidence.drop(leg) or next((one for one in evidence.said if one.arp and one.dropped), None)
    if said is None:
        return None
    sender, _ = evidence.ends(leg)
    family, table, chain = [*said.where.split(), "", "", ""][:3]
    if (family, table) == ("bridge", "netkit"):
        return _guard(evidence, said, sender)
    if table == "netkit" or chain.startswith("NETKIT-"):
        return _isolated(said)
    return _foreign(said, family, table, chain)


def _guard(evidence: Evidence, said: Said, sender: End) -> Cause:
    port = evidence.place(sender.place).port(sender.ifname)
    changed = f" (its MAC is {port.link.mac} now, not {sender.mac})" if port and port.link.mac != sender.mac else ""
    own = ", ".join(map(bare, sender.addresses))
    return Cause(
        "port-guard",
        said.where,
        f"netkit's port guard dropped it: {sender.place} may send from {sender.mac} with {own} only{changed}",
        f"give {sender.ifname} its MAC and addresses back; netkit check {sender.place} tells what is off",
        meant=True,
    )


def _isolated(said: Said) -> Cause:
    reason = _KEPT_APART.get(said.where.split()[-1].lower(), f"by the rule: {said.rule}")
    return Cause(
        "isolated",
        said.where,
        f"kept apart by netkit: {reason}",
        "networks reach each other by published ports only; an --internal network reaches nobody else",
        meant=True,
    )


def _foreign(said: Said, family: str, table: str, chain: str) -> Cause:
    iptables = table in ("filter", "nat", "mangle", "raw") and family in ("ip", "ip6")
    tool = {"ip": "iptables", "ip6": "ip6tables"}.get(family, "") if iptables else "nftables"
    what = f"the policy of chain {chain} is drop" if said.kind == "policy" else f"the rule: {said.rule}"
    hint = (
        f"{tool} -t {table} -I {chain} ... -j ACCEPT, or ask the tool that made it"
        if iptables
        else f"let {family} table {table}, chain {chain}, accept it: nft list chain {family} {table} {chain}"
    )
    return Cause(
        f"{'iptables' if iptables else 'nft'}-{'policy' if said.kind == 'policy' else 'rule'}-drop",
        said.where,
        f"a firewall that is not netkit's dropped it: {what}",
        hint,
    )


def _too_big(evidence: Evidence, leg: str) -> Cause | None:
    """The kernel refused to send it, a router said so, or a link on the way is narrower than the packet."""
    if evidence.result.errno == errno.EMSGSIZE and not evidence.of(REQUEST):
        return _mtu(evidence.source.place, evidence.place(evidence.source.place).there.dev, evidence)
    for one in evidence.of(ERROR):
        if (one.packet.protocol, one.packet.code) in ((ICMP, (3, 4)), (ICMP6, (2, 0))):
            return _narrow(
                int.from_bytes(one.packet.frame[one.packet.l4 + 4 : one.packet.l4 + 8], "big"), one.packet.src
            )
    last = evidence.last(leg)
    place = evidence.place(last.place) if last else None
    port = place.port(last.link) if place and last else None
    if not last or not place or not port or last.outgoing or not port.link.master:
        return None
    _, receiver = evidence.ends(leg)
    way = place.port(receiver.host_ifname)
    if way and way.link.mtu < last.packet.ip_length:
        return _narrow(way.link.mtu, f"{HOST} {way.link.name}")
    return None


def _mtu(place: str, link: str, evidence: Evidence) -> Cause:
    port = evidence.place(place).port(link)
    return _narrow(port.link.mtu if port else 0, f"{place} {link}")


def _narrow(mtu: int, where: str) -> Cause:
    return Cause(
        "mtu",
        where,
        f"the packet is larger than the MTU of the way on, {mtu}, and must not be fragmented",
        "give the network that MTU (netkit network create --mtu), or raise the link's; tunnels take 50 bytes and more",
    )


def _link_down(evidence: Evidence, leg: str) -> Cause | None:
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
            return _down(end.place, name, "is down")
        if end.host_ifname and (host is None or not host.link.up):
            return _down(HOST, end.host_ifname, "is down" if host else "is gone")
    return _bridge_down(evidence, sender, receiver)


def _bridge_down(evidence: Evidence, *ends: End) -> Cause | None:
    host = evidence.place(HOST)
    for end in ends:
        port = host.port(end.host_ifname)
        bridge = host.port(port.link.master) if port and port.link.master else None
        if bridge and not bridge.link.up:
            return _down(HOST, bridge.link.name, "is down")
    return None


def _down(place: str, link: str, state: str) -> Cause:
    inside = "" if place == HOST else f"netkit exec {place} -- "
    return Cause(
        "link-down",
        f"{place} {link}",
        f"the link {link} {state}",
        f"{inside}ip link set {link} up; netkit reload does it for netkit's own links",
    )


def _no_route(evidence: Evidence, leg: str) -> Cause | None:
    """The sender has no way to the receiver."""
    sender, _ = evidence.ends(leg)
    if evidence.of(leg) or sender.place == "":
        return None
    place = evidence.place(sender.place)
    hop = place.there if leg == REQUEST else place.back
    if not hop.errno and not (leg == REQUEST and evidence.result.errno == errno.ENETUNREACH):
        return None
    back = "" if leg == REQUEST else "the probe came in, but the answer cannot leave: "
    return Cause(
        "no-route",
        sender.place,
        f"{back}{sender.place} has no route to {hop.dst}: no default route, and no other that fits",
        f"`netkit reload` puts netkit's own back; or: netkit exec {sender.place} -- ip route add default via GATEWAY",
    )


def _not_forwarding(evidence: Evidence, leg: str) -> Cause | None:
    """It came in, had to go on, and this host is no router."""
    last, host = evidence.last(leg), evidence.place(HOST)
    if not last or last.place != HOST or last.outgoing or _hop(evidence, leg).kind == "local":
        return None
    link = _routed_at(host, last.link)
    if _asked_forward(evidence, leg) or link in host.forwards or _switched(evidence, leg):
        return None
    key = f"net.ipv4.conf.{link}.forwarding" if evidence.probe.family == 4 else _FORWARDING[6]
    return Cause(
        "forwarding-off",
        f"{HOST} {link}",
        f"IP forwarding is off ({key} = 0), so the host passes nothing on",
        f"sysctl -w {_FORWARDING[evidence.probe.family]}=1, or netkit reload; and see who turned it off",
    )


def _wrong_way_in(evidence: Evidence, leg: str) -> Cause | None:
    """Strict reverse path filtering: the way back leads over another link, so the kernel took it for forged."""
    last, host = evidence.last(leg), evidence.place(HOST)
    if not last or last.place != HOST or last.outgoing or _asked_forward(evidence, leg) or _switched(evidence, leg):
        return None
    link, back = _routed_at(host, last.link), host.back if leg == REQUEST else host.there
    if link not in host.strict or back.dev == link:
        return None
    return Cause(
        "rp-filter",
        f"{HOST} {link}",
        f"it came in by {link}, but the way back to {last.packet.src} is: {back}; rp_filter drops such packets",
        f"correct that route, or sysctl -w net.ipv4.conf.{link}.rp_filter=2 where two ways are meant",
    )


def _asked_forward(evidence: Evidence, leg: str) -> bool:
    """Whether any forward chain was asked, so that the kernel did mean to pass it on."""
    return any(one.hook == "forward" and not one.bridged and one.leg == leg for one in evidence.said)


def _routed_at(host: Place, link: str) -> str:
    """The link where IP sees what came in: the bridge of a port."""
    port = host.port(link)
    return port.link.master if port and port.link.master else link


def _no_fdb_entry(evidence: Evidence, leg: str) -> Cause | None:
    """A bridge that does not flood, or a VXLAN device, does not know where the MAC is."""
    last, host = evidence.last(leg), evidence.place(HOST)
    if not last or last.place != HOST or last.inside:
        return None
    mac = last.packet.dst_mac
    port = host.port(last.link)
    if port and port.link.kind == "vxlan" and last.outgoing:
        known = any(one.dev == last.link and one.dst and one.mac in (mac, "00:" * 5 + "00") for one in host.fdb)
        return None if known else _no_entry(mac, last.link, f"bridge fdb append {mac} dev {last.link} dst PEER")
    _, receiver = evidence.ends(leg)
    to = host.port(receiver.host_ifname)
    if not to or to.floods or any((one.mac, one.dev) == (mac, to.link.name) for one in host.fdb):
        return None
    return _no_entry(mac, to.link.master, f"bridge fdb add {mac} dev {to.link.name} master static, or flood on")


def _no_entry(mac: str, device: str, hint: str) -> Cause:
    return Cause(
        "no-fdb-entry",
        f"{HOST} {device}",
        f"{device} has no forwarding entry for {mac}, and does not flood to where it is",
        hint,
    )


def _wrong_route(evidence: Evidence, leg: str) -> Cause | None:
    """The host sends it elsewhere, or nowhere."""
    last = evidence.last(leg)
    hop, (sender, receiver) = _hop(evidence, leg), evidence.ends(leg)
    if sender.place != HOST and (not last or last.place != HOST):
        return None
    if hop.errno or hop.kind in ("unreachable", "blackhole", "prohibit", "throw"):
        return _route(hop, f"the host has no way there: {_reason(hop)}")
    port = evidence.place(HOST).port(receiver.host_ifname)
    expected = port.link.master or port.link.name if port else ""
    if not expected or hop.dev == expected or hop.kind == "local":
        return None
    return _route(hop, f"the host's route leads to {hop.dev}, but {receiver.place} is behind {expected}: {hop}")


def _route(hop: Hop, why: str) -> Cause:
    return Cause("wrong-route", HOST, why, "ip route show table all; delete or correct that entry")


def _reason(hop: Hop) -> str:
    return f"no route to {hop.dst}" if hop.errno else str(hop)


def _no_neighbour(evidence: Evidence, leg: str) -> Cause | None:
    """Whoever sends it on asks who has the next hop's address, and nobody answers."""
    last = evidence.last(leg)
    sender, _ = evidence.ends(leg)
    place = evidence.place(HOST if last else sender.place)
    hop = _hop(evidence, leg) if last else place.there if leg == REQUEST else place.back
    wanted = hop.via or _target(evidence, leg)
    if hop.kind == "local" or not hop.dev or (last and last.outgoing and last.link == hop.dev):
        return None
    neighbour = place.neighbour(wanted, hop.dev)
    if (neighbour and neighbour.mac) or not _unanswered(evidence, place, wanted):
        return None
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


def _hidden(evidence: Evidence, leg: str) -> Cause | None:
    """It came into the host and did not leave, and there are rules that nobody can trace."""
    last = evidence.last(leg)
    if not last or last.place != HOST or last.outgoing or not evidence.silent_drops:
        return None
    return Cause(
        "untraceable-drop",
        f"{HOST} {last.link}",
        f"it was last seen here, and {' and '.join(evidence.silent_drops)} would drop it; its rules cannot be shown",
        "let that chain accept it; netkit's networks are let in when they come up: netkit inspect NETWORK",
    )


def _mute(evidence: Evidence, leg: str) -> Cause | None:
    """The probe came in, and no answer left."""
    if leg != ANSWER or evidence.of(ANSWER) or evidence.target.place in ("", HOST):
        return None
    return Cause(
        "no-answer",
        evidence.target.place,
        f"the probe came into {evidence.target.place}, and no answer left it",
        "a firewall inside, or nobody at home: netkit exec shows `nft list ruleset` and `ss -ltn` of the inside",
    )


def _unknown(evidence: Evidence, leg: str) -> Cause:
    last = evidence.last(leg)
    if last is None:
        reason = evidence.result.reason or "no answer, and no packet left"
        return Cause(
            "not-sent", evidence.ends(leg)[0].place, f"nothing was sent: {reason}", "look at its links and routes"
        )
    if last.outgoing and not evidence.target.place:
        return Cause(
            "beyond",
            f"{last.place} {last.link}",
            "the probe left this machine, and no answer came back",
            "the other machine, its firewall, or the way to it: go on looking there (netkit capture on that side)",
        )
    blind = "" if evidence.traced else "; the firewall could not be traced (no nft trace), so its rules cannot be shown"
    return Cause(
        "unexplained",
        f"{last.place} {last.link}",
        f"it was last seen here, going {last.way}, and no table explains why{blind}",
        "netkit capture on the links before and after shows more",
    )


def _hop(evidence: Evidence, leg: str) -> Hop:
    """The host's route for a leg."""
    host = evidence.place(HOST)
    return host.there if leg == REQUEST else host.back


def _target(evidence: Evidence, leg: str) -> str:
    last = evidence.last(leg)
    return last.packet.dst if last else evidence.probe.dst


def _switched(evidence: Evidence, leg: str) -> bool:
    """Whether both ends are ports of one bridge, so that nothing is routed."""
    sender, receiver = evidence.ends(leg)
    host = evidence.place(HOST)
    ports = [host.port(end.host_ifname) for end in (sender, receiver)]
    return all(ports) and len({port.link.master for port in ports if port}) == 1


_RULES: tuple[Rule, ...] = (
    _dropped,
    _too_big,
    _link_down,
    _no_route,
    _not_forwarding,
    _wrong_way_in,
    _no_fdb_entry,
    _wrong_route,
    _no_neighbour,
    _mute,
    _hidden,
)
