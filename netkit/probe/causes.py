"""Why a packet was lost, by name. Each cause looks at the evidence alone, and the first that fits is told. Pure.

The order matters: what the firewall or the kernel itself said goes before what is concluded from tables.

cause    what a cause is          walls    firewalls and isolation
ways     routes and forwarding    wires    links, bridges, tunnels and neighbours
"""

from __future__ import annotations

from netkit.probe import walls, ways, wires
from netkit.probe.cause import Cause
from netkit.probe.evidence import HOST
from netkit.probe.sighting import ANSWER, REQUEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.probe.cause import Rule
    from netkit.probe.evidence import Evidence
    from netkit.probe.sighting import Sighting


def cause(evidence: Evidence) -> Cause | None:
    """The likely cause of the loss, None when nothing was lost."""
    if evidence.result.kind == "refused" and not evidence.rejected:
        return walls.refused(evidence)
    leg = evidence.lost
    if not leg or (leg == ANSWER and evidence.probe.protocol == "udp" and not evidence.of(ANSWER)):
        return None  # nothing obliges anybody to answer a datagram
    return next((found for rule in _RULES if (found := rule(evidence, leg))), None) or _unknown(evidence, leg)


def _mute(evidence: Evidence, leg: str) -> Cause | None:
    """The probe came in, and no answer left: it was not taken for good there, or nobody answered."""
    if leg != ANSWER or evidence.of(ANSWER) or evidence.target.place in ("", HOST):
        return None
    return ways.wrong_way_in(evidence, REQUEST) or Cause(
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
    if last.outgoing and _has_left(evidence, last):
        inside = f", {last.inside}," if last.inside else ""
        return Cause(
            "beyond",
            f"{last.place} {last.link}",
            f"the probe left this machine{inside} and no answer came back",
            "the other machine, its firewall, or the way to it: look there, too, with --watch, or netkit capture there",
        )
    blind = "" if evidence.traced else "; the firewall could not be traced (no nft trace), so its rules cannot be shown"
    return Cause(
        "unexplained",
        f"{last.place} {last.link}",
        f"it was last seen here, going {last.way}, and no table explains why{blind}",
        "netkit capture on the links before and after shows more",
    )


def _has_left(evidence: Evidence, last: Sighting) -> bool:
    """Whether it went where nobody looks: to no place that we know, or away from the attachment that it is for."""
    target = evidence.target
    if not target.place or not target.host_ifname or last.place != HOST:
        return not target.place
    cable = evidence.place(HOST).port(target.host_ifname)
    return last.link not in (target.host_ifname, cable.link.master if cable else "")


_RULES: tuple[Rule, ...] = (
    walls.dropped,
    wires.too_big,
    wires.link_down,
    walls.internal,
    walls.no_icc,
    walls.beside_its_host,
    ways.no_route,
    wires.lost_in_tunnel,
    wires.lost_in_bridge,
    ways.not_forwarding,
    ways.wrong_way_in,
    wires.no_fdb_entry,
    ways.wrong_route,
    wires.no_neighbour,
    wires.wrong_mac,
    _mute,
    walls.hidden,
)
