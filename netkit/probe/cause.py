"""A cause, and what several rules ask of the evidence. Pure."""

from __future__ import annotations

from netkit.probe.evidence import HOST
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.probe.evidence import Evidence
    from netkit.probe.sighting import Sighting
    from netkit.probe.tables import Hop, Place

    Rule = Callable[["Evidence", str], "Cause | None"]


class Cause(Value):
    """Why a packet was lost: a name for programs, where, what happened, what to do. `meant` is netkit's own doing."""

    name: str
    where: str
    why: str
    hint: str
    meant: bool = False


def narrow(mtu: int, where: str) -> Cause:
    """The packet is too big for the way on."""
    return Cause(
        "mtu",
        where,
        f"the packet is larger than the MTU of the way on, {mtu}, and must not be fragmented",
        "give the network that MTU (netkit network create --mtu), or raise the link's; tunnels take 50 bytes and more",
    )


def inside(place: str, attached: bool) -> str:
    """How a command is begun that is for a place."""
    return "" if place == HOST else f"netkit exec {place} -- " if attached else f"in {place}: "


def down(place: str, link: str, state: str, attached: bool = False) -> Cause:
    """A link that does not work, of an attachment or of a host."""
    return Cause(
        "link-down",
        f"{place} {link}",
        f"the link {link} {state}",
        f"{inside(place, attached)}ip link set {link} up; netkit reload does it for netkit's own links",
    )


def onward(evidence: Evidence, leg: str) -> tuple[Sighting, Hop] | None:
    """Where a leg, or the tunnel's packet that it is in, came in and had to be routed on, and the route for that."""
    last = evidence.last(leg)
    if last and last.carrier and not last.outgoing:
        hop = dict(evidence.place(last.place).under).get(last.carrier.dst)
    else:
        last = evidence.stuck(leg)
        hop = evidence.hop(leg, last.place) if last else None
    return (last, hop) if last and hop and hop.kind != "local" and _is_routed(evidence, last) else None


def _is_routed(evidence: Evidence, one: Sighting) -> bool:
    """Whether it came for the MAC of the link where IP sees it; what is for another MAC, a bridge passes on."""
    place = evidence.place(one.place)
    link = place.port(routed_at(place, one.link))
    return not link or link.link.mac in ("", one.wire.dst_mac)


def asked_forward(evidence: Evidence, leg: str, place: str) -> bool:
    """Whether any forward chain was asked there, so that the kernel did mean to pass it on."""
    return any(
        one.hook == "forward" and not one.bridged and (one.leg, one.place) == (leg, place) for one in evidence.said
    )


def routed_at(place: Place, link: str) -> str:
    """The link where IP sees what came in: the bridge of a port."""
    port = place.port(link)
    return port.link.master if port and port.link.master else link


def switched(evidence: Evidence, leg: str) -> bool:
    """Whether both ends are ports of one bridge, so that nothing is routed."""
    sender, receiver = evidence.ends(leg)
    host = evidence.place(HOST)
    ports = [host.port(end.host_ifname) for end in (sender, receiver)]
    return all(ports) and len({port.link.master for port in ports if port}) == 1
