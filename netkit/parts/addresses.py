"""A container's addresses, its loopback, and its way out."""

from __future__ import annotations

from netkit.model import family
from netkit.plan.ops import AddrAdd, LinkSet, LoopbackUp, RouteAdd
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Endpoint, NsRef
    from netkit.plan.host import Host


def loopback(netns: NsRef, host: Host) -> Plan:
    """`lo` up, unless it is."""
    lo = host.link("lo", netns)
    if lo is not None and lo.up:
        return Plan()
    return Plan.of((LoopbackUp(netns), "a process expects to reach itself at 127.0.0.1"))


def addresses(ep: Endpoint) -> Plan:
    """The addresses first and the link up second: on up, the kernel announces what is there."""
    return Plan.of(
        *((AddrAdd(a, ep.ifname, ep.netns), "its address, from netkit's IPAM") for a in ep.addresses),
        (LinkSet(ep.ifname, ep.netns, up=True), "the container end is ready"),
    )


def default_routes(ep: Endpoint, host: Host) -> Plan:
    """A default route a family, unless the namespace has one from an earlier attachment."""
    return Plan.of(
        *(
            (RouteAdd("default", ep.ifname, gateway, ep.netns, family(gateway)), "everything else goes by the gateway")
            for gateway in ep.gateways
            if all(route.dst != "default" for route in host.routes(family(gateway), ep.netns))
        )
    )
