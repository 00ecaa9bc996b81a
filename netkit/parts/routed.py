"""A routed container: its cable's host end is its gateway, and all that either side has of the other is a route.

    10.91.0.2/32 eth0 ================ nkp... 10.91.0.1/32
    10.91.0.1 dev eth0                 10.91.0.2 dev nkp...
    default via 10.91.0.1

Every host end has the same gateway address; the kernel keeps a local route for each, and answers for it on each cable.
"""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.ipam.pool import subnet_of
from netkit.model import alone, family
from netkit.parts.quiet import quiet
from netkit.parts.veth import host_mac
from netkit.plan.ops import AddrAdd, LinkSet, RouteAdd
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.model import Endpoint, Lease
    from netkit.plan.host import Host


def host_end(ep: Endpoint, leases: Sequence[Lease], host: Host) -> Plan:
    """The gateways on the host's end, and the way to the container; IPv6 only where it is asked for."""
    device, families = ep.host_ifname, {family(lease.address) for lease in leases}
    gateways = [AddrAdd(each, device) for each in dict.fromkeys(alone(_gateway(lease)) for lease in leases)]
    routes = [RouteAdd(alone(lease.address), device, family=family(lease.address)) for lease in leases]
    return quiet(device, host_mac(ep), families, host) + Plan.of(
        (LinkSet(device, up=True), "the host's end is a port of its own, plugged into nothing"),
        *((op, "the gateway that the container sees, on every cable the same") for op in gateways),
        *((op, "the way to the container") for op in routes),
    )


def _gateway(lease: Lease) -> str:
    if not lease.gateway:
        raise ConfigError(
            "ipam", f"{lease.address} has no gateway", "a routed container needs one: the host's end of its cable"
        )
    return lease.gateway


def way_out(ep: Endpoint, leases: Sequence[Lease], host: Host) -> Plan:
    """The container's routes to its gateway and siblings, but those that it has by an earlier cable, or was given."""
    known = {route.dst for version in (4, 6) for route in host.routes(version, ep.netns)}
    known |= {spec.dst for spec in ep.routes}
    found = {route.dst: (route, why) for lease in leases for route, why in _container_side(ep, lease)}
    return Plan.of(*(step for dst, step in found.items() if dst not in known))


def _container_side(ep: Endpoint, lease: Lease) -> Iterator[tuple[RouteAdd, str]]:
    version = family(lease.address)
    gateway = RouteAdd(alone(lease.gateway), ep.ifname, ns=ep.netns, family=version)
    yield gateway, "the gateway is at the other end of the cable, whatever the address says"
    siblings = RouteAdd(subnet_of(lease.address), ep.ifname, lease.gateway, ep.netns, version)
    yield siblings, "siblings are behind the gateway, not on the cable"
