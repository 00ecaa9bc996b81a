"""A foot of the host among the macvlan links of a parent.

The kernel switches no frame between a parent and what stands on it, so the host reaches its own macvlan containers by a
macvlan link of its own, and by a route for each of their addresses.
"""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.ipam.pool import overlaps
from netkit.model import alone, bare, family
from netkit.naming import GROUP, mac
from netkit.parts.quiet import quiet
from netkit.plan.kinds import Macvlan
from netkit.plan.ops import AddrAdd, LinkAdd, LinkSet, RouteAdd, SysctlSet
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.model import Endpoint, Network
    from netkit.plan.host import Host, Link


def shim(net: Network, name: str, below: Link, addresses: Sequence[str], host: Host) -> Plan:
    """The host's own macvlan link; it answers for `addresses` to those alone that it leads to.

    The MAC holds the parent's: two hosts of one LAN may have networks of the same name.
    """
    own = mac("shim", net.name, below.mac)
    link = LinkAdd(name, "macvlan", GROUP, mac=own, mtu=below.mtu, info=Macvlan(net.parent, "bridge"))
    plan = Plan.of((link, f"the host's own foot beside its containers: {net.parent} itself cannot reach them"))
    plan += quiet(name, own, {family(s.cidr) for s in net.subnets}, host)
    if any(family(address) == 4 for address in addresses):
        key = f"net/ipv4/conf/{name}/arp_filter"
        plan += Plan.of((SysctlSet(key, "1", "0", dev=name), "the rest of the LAN goes on asking the parent"))
    for address in addresses:
        plan += Plan.of((AddrAdd(alone(address), name), "what containers know the host by"))
    return plan + Plan.of((LinkSet(name, up=True), "from here on the host is one of them"))


def reached(ep: Endpoint, name: str) -> Plan:
    """The host's routes to a container's addresses."""
    return Plan.of(
        *(
            (RouteAdd(alone(address), name, family=family(address)), "the host's way to this container")
            for address in ep.addresses
        )
    )


def feet(net: Network, host: Host, named: Sequence[str]) -> tuple[str, ...]:
    """The host's address in each subnet: the one that was named, or its own on the parent, or the gateway's."""
    for address in named:
        if not any(overlaps(subnet.cidr, address) for subnet in net.subnets):
            raise ConfigError("options.host", f"{address} is in no subnet of {net.name}", "choose one that is")
    own = [bare(address) for address in host.addresses(net.parent)]
    found: list[str] = []
    for subnet in net.subnets:
        choices = [*named, *own, *([subnet.gateway] if subnet.gateway else [])]
        fitting = next((each for each in choices if overlaps(subnet.cidr, each)), "")
        if not fitting:
            raise ConfigError("options.host", f"the host has no address in {subnet.cidr}", "say -o host=ADDRESS")
        found.append(fitting)
    return tuple(found)
