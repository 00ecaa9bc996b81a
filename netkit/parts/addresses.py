"""A container's addresses, its loopback, and its way out."""

from __future__ import annotations

from netkit.model import family
from netkit.plan.announce import Announce
from netkit.plan.ops import MAIN, AddrAdd, LinkSet, LoopbackUp, RouteAdd
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Endpoint, NsRef
    from netkit.plan.host import Host
    from netkit.plan.ops import Op

#: The two ways to write a default route as a prefix.
EVERYWHERE = ("0.0.0.0/0", "::/0")


def loopback(netns: NsRef, host: Host) -> Plan:
    """`lo` up, unless it is."""
    lo = host.link("lo", netns)
    if lo is not None and lo.up:
        return Plan()
    return Plan.of((LoopbackUp(netns), "a process expects to reach itself at 127.0.0.1"))


def addresses(ep: Endpoint, dad: bool = False, up: bool = True) -> Plan:
    """The addresses first and the link up second: on up, the kernel announces what is there.

    Without `up` it stays down, for someone inside to put up.
    """
    plan = Plan.of(
        *((AddrAdd(a, ep.ifname, ep.netns, nodad=not dad), "its address, from netkit's IPAM") for a in ep.addresses)
    )
    return plan + Plan.of((LinkSet(ep.ifname, ep.netns, up=True), "the container end is ready")) if up else plan


def announced(ep: Endpoint, up: bool = True) -> Plan:
    """Who knew another under these addresses learns of it; where nobody asks first, its packets would go astray."""
    if not up or not ep.addresses or not ep.mac:
        return Plan()
    op = Announce(ep.ifname, ep.host_ifname, ep.mac, ep.netns)
    return Plan.of((op, "announce its addresses, once its port forwards"))


def routes(ep: Endpoint) -> Plan:
    """The routes that were asked for besides the default one; an unnamed gateway is the endpoint's own."""
    steps: list[tuple[Op, str]] = []
    for spec in ep.routes:
        version = family(spec.via or spec.dst)
        via = spec.via or next((gateway for gateway in ep.gateways if family(gateway) == version), "")
        op = RouteAdd(
            "default" if spec.dst in EVERYWHERE else spec.dst,
            ep.ifname,
            via if spec.scope <= 0 else "",
            ep.netns,
            version,
            metric=spec.metric,
            table=spec.table or MAIN,
            scope=spec.scope,
            mtu=spec.mtu,
            advmss=spec.advmss,
        )
        steps.append((op, "a route that was asked for"))
    return Plan.of(*steps)


def default_routes(ep: Endpoint, host: Host, direct: bool = False) -> Plan:
    """A default route a family, by its first gateway, unless the namespace has one already, or is given another.

    A `direct` one goes by the link itself, where nobody answers for a gateway.
    """
    given = {family(spec.dst) for spec in ep.routes if spec.dst in EVERYWHERE}
    first: dict[int, str] = {}
    for gateway in ep.gateways:
        first.setdefault(family(gateway), gateway)
    why = f"everything else goes by the {'link' if direct else 'gateway'}"
    return Plan.of(
        *(
            (RouteAdd("default", ep.ifname, "" if direct else gateway, ep.netns, version), why)
            for version, gateway in first.items()
            if version not in given and all(route.dst != "default" for route in host.routes(version, ep.netns))
        )
    )
