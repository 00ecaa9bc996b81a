"""The portmap driver: published ports for a link that another tool has made.

client -> host:8080 -> dnat -> whatever leads to the container: no cable, no address of ours
"""

from __future__ import annotations

from netkit.drivers.options import only
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConflictError
from netkit.ipam.pool import overlaps, prefix_length, span, text
from netkit.model import bare, family
from netkit.parts.base import base
from netkit.parts.endpoint import endpoint
from netkit.parts.ports import publish
from netkit.plan.ops import RulesAdd, SysctlSet
from netkit.plan.rules import Hairpin
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.plan.host import Host


class Portmap:
    """Rules alone."""

    name = "portmap"

    def parse_options(self, raw: Mapping[str, object], at: str) -> Options:
        only(raw, (), self.name, at)
        return Options()

    def host_up(self, net: Network, host: Host) -> Plan:
        return base(net, host)

    def network_up(self, net: Network, host: Host) -> Plan:
        return Plan()

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        ep = endpoint(net, req, leases, req.mtu).replace(host_ifname="", mac="")
        device = link_to(leases[0].address, host)
        published = {family(port.host_ip) for port in ep.ports}
        rules = tuple(
            Hairpin(bare(address), _subnet(address)) for address in ep.addresses if family(address) in published
        )
        plan = Plan.of((RulesAdd(rules, host.firewall), "answers to its own network and to localhost come back here"))
        return Attachment(_localhost(device, host) + plan + publish(ep, device, host), ep)


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


def _subnet(address: str) -> str:
    return f"{text(span(address)[0], family(address))}/{prefix_length(address)}"


def _localhost(device: str, host: Host) -> Plan:
    """Like the reference's, this switch stays: others on the same link need it as long as the link is there."""
    key = f"net/ipv4/conf/{device}/route_localnet"
    if host.sysctl(key) != "0":
        return Plan()
    return Plan.of((SysctlSet(key, "1", "1", dev=device), "localhost:PORT on the host reaches published ports"))
