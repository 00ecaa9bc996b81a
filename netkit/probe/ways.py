"""Causes in routing: no route, a wrong one, no forwarding, a sender that is taken for forged. Pure."""

from __future__ import annotations

import errno

from netkit.probe.cause import Cause, asked_forward, inside, onward, routed_at, switched
from netkit.probe.evidence import HOST
from netkit.probe.sighting import ANSWER, REQUEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.probe.evidence import Evidence
    from netkit.probe.tables import Hop

_FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
_ADD_ROUTE = "ip route add default via GATEWAY"
_NOWHERE = ("unreachable", "blackhole", "prohibit", "throw")


def no_route(evidence: Evidence, leg: str) -> Cause | None:
    """The sender has no way to the receiver."""
    sender, _ = evidence.ends(leg)
    if evidence.of(leg) or sender.place in ("", HOST):
        return None
    hop = evidence.hop(leg, sender.place)
    if not hop.errno and not (leg == REQUEST and evidence.result.errno == errno.ENETUNREACH):
        return None
    back = "" if leg == REQUEST else "the probe came in, but the answer cannot leave: "
    return Cause(
        "no-route",
        sender.place,
        f"{back}{sender.place} has no route to {hop.dst}: no default route, and no other that fits",
        f"`netkit reload` puts netkit's own back; or {inside(sender.place, bool(sender.ifname))}{_ADD_ROUTE}",
    )


def not_forwarding(evidence: Evidence, leg: str) -> Cause | None:
    """It came in, had to go on, and this host is no router."""
    found = onward(evidence, leg)
    if not found:
        return None
    last, _ = found
    place = evidence.place(last.place)
    link = routed_at(place, last.link)
    if asked_forward(evidence, leg, place.name) or link in place.forwards or switched(evidence, leg):
        return None
    key = f"net.ipv4.conf.{link}.forwarding" if evidence.probe.family == 4 else _FORWARDING[6]
    return Cause(
        "forwarding-off",
        f"{place.name} {link}",
        f"IP forwarding is off ({key} = 0), so {_the(place.name)} passes nothing on",
        f"sysctl -w {_FORWARDING[evidence.probe.family]}=1, or netkit reload; and see who turned it off",
    )


def wrong_way_in(evidence: Evidence, leg: str) -> Cause | None:
    """Strict reverse path filtering: the way back leads over another link, so the kernel took it for forged."""
    last = evidence.last(leg)
    if not last or last.outgoing or last.inside or evidence.seen(ANSWER, last.place, True):
        return None
    if asked_forward(evidence, leg, last.place) or (last.place == HOST and switched(evidence, leg)):
        return None
    place = evidence.place(last.place)
    link, back = routed_at(place, last.link), evidence.hop(ANSWER if leg == REQUEST else REQUEST, last.place)
    if link not in place.strict or back.dev == link:
        return None
    return Cause(
        "rp-filter",
        f"{place.name} {link}",
        f"it came in by {link}, but the way back to {last.packet.src} is: {back}; rp_filter drops such packets",
        f"correct that route, or sysctl -w net.ipv4.conf.{link}.rp_filter=2 where two ways are meant",
    )


def wrong_route(evidence: Evidence, leg: str) -> Cause | None:
    """A host on the way sends it elsewhere, or nowhere."""
    sender, receiver = evidence.ends(leg)
    last, found = evidence.last(leg), onward(evidence, leg)
    name = last.place if last else sender.place
    if name != HOST and not found:
        return None
    hop = found[1] if found else evidence.hop(leg)
    if hop.errno or hop.kind in _NOWHERE:
        return _route(name, hop, f"{_the(name)} has no way there: {_reason(hop)}")
    port = evidence.place(HOST).port(receiver.host_ifname) if name == HOST else None
    expected = port.link.master or port.link.name if port else ""
    if not expected or hop.dev == expected or hop.kind == "local":
        return None
    return _route(name, hop, f"the host's route leads to {hop.dev}, but {receiver.place} is behind {expected}: {hop}")


def _route(place: str, hop: Hop, why: str) -> Cause:
    return Cause("wrong-route", place, why, "ip route show table all; delete or correct that entry")


def _reason(hop: Hop) -> str:
    return f"no route to {hop.dst}" if hop.errno else str(hop)


def _the(place: str) -> str:
    return "the host" if place == HOST else place
