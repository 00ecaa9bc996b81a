"""The ipam driver: addresses alone, for a link that another tool makes.

10.90.0.7      taken, given back, found by check and gc; nothing in the kernel bears it yet
"""

from __future__ import annotations

from netkit.drivers.options import only
from netkit.drivers.protocols import Attachment, Options
from netkit.model import Endpoint
from netkit.naming import attachment_id
from netkit.plan.ops import LinkSet
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.plan.host import Host


class Ipam:
    """Addresses without a link."""

    name = "ipam"

    def parse_options(self, raw: Mapping[str, object], at: str) -> Options:
        only(raw, (), self.name, at)
        return Options()

    def device(self, net: Network) -> str:
        return ""

    def needs_subnet(self, net: Network) -> bool:
        return True

    def network_up(self, net: Network, host: Host) -> Plan:
        return Plan()

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        ep = Endpoint(
            attachment_id(net.name, req.container, req.ifname),
            net.name,
            net.mode,
            req.container,
            req.ifname,
            req.netns,
            addresses=tuple(lease.address for lease in leases),
            gateways=tuple(lease.gateway for lease in leases if lease.gateway),
            routes=req.routes,
            origin=req.origin,
        )
        return Attachment(_heard(req) if net.ipam else Plan(), ep)


def _heard(req: AttachRequest) -> Plan:
    """Who asks a server for an address asks over the link, which its maker may have left down so far."""
    return Plan.of((LinkSet(req.ifname, req.netns, up=True), "so that the DHCP server can be asked"))
