"""The portmap driver: published ports for a link that another tool has made.

client -> host:8080 -> dnat -> whatever leads to the container: no cable, no address of ours
"""

from __future__ import annotations

from netkit.drivers.options import PUBLISHING, only, way
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConflictError
from netkit.ipam.pool import overlaps, prefix_length
from netkit.model import bare, family
from netkit.parts.base import base
from netkit.parts.endpoint import endpoint
from netkit.parts.ports import hairpin, publish
from netkit.plan.ops import RulesAdd, SysctlSet
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Endpoint, Lease, Network
    from netkit.parts.publishing import Way
    from netkit.plan.host import Host


class PortmapOptions(Options):
    """`way` is how ports are published, None for the usual one."""

    way: Way | None = None


class Portmap:
    """Rules alone."""

    name = "portmap"
    per_attachment = PUBLISHING

    def parse_options(self, raw: Mapping[str, object], at: str) -> PortmapOptions:
        only(raw, PUBLISHING, self.name, at)
        return PortmapOptions(way(raw, at))

    def host_up(self, net: Network, host: Host) -> Plan:
        return base(net, host)

    def network_up(self, net: Network, host: Host) -> Plan:
        return Plan()

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        ep = endpoint(net, req, leases, req.mtu).replace(host_ifname="", mac="")
        device, chosen = link_to(leases[0].address, host), self.parse_options(dict(net.options), "options").way
        plan = Plan() if chosen and not chosen.snat else _localhost(device, host)
        if not chosen or chosen.usual_sources:
            plan += comes_home(ep, host)
        return Attachment(plan + (chosen.publish if chosen else publish)(ep, device, host), ep)


def link_to(address: str, host: Host) -> str:
    """The link of the host that leads to a container's address, by the most special route."""
    found = [
        route
        for route in host.routes(family(address))
        if route.dev and route.dst != "default" and overlaps(route.dst, bare(address))
    ]
    if not found:
        raise ConflictError(f"no link of this host leads to {bare(address)}", "is the plugin before this one to blame?")
    return max(found, key=lambda route: prefix_length(route.dst)).dev


def comes_home(ep: Endpoint, host: Host) -> Plan:
    """Who connects to a published port from the container's own network, or from the host, gets its answers."""
    published = {family(port.host_ip) for port in ep.ports}
    rules = tuple(hairpin(address) for address in ep.addresses if family(address) in published)
    return Plan.of((RulesAdd(rules, host.firewall), "answers to its own network and to localhost come back here"))


def _localhost(device: str, host: Host) -> Plan:
    """Like the reference's, this switch stays: others on the same link need it as long as the link is there."""
    key = f"net/ipv4/conf/{device}/route_localnet"
    if host.sysctl(key) != "0":
        return Plan()
    return Plan.of((SysctlSet(key, "1", "1", dev=device), "localhost:PORT on the host reaches published ports"))
