"""The bandwidth driver: limits for a link that another tool has made.

whatever the host sends --> [ tbf | the cable's host end ]==> eth0: no cable, no address of ours

A link without an end on the host, a macvlan one for example, has its limits in the container's namespace.
"""

from __future__ import annotations

from netkit.drivers.options import only
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConfigError, NotFoundError
from netkit.parts.endpoint import endpoint
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.plan.host import Host


class Bandwidth:
    """Nothing of its own: the limits are what any attachment may have, on the cable that the request names."""

    name = "bandwidth"

    def parse_options(self, raw: Mapping[str, object], at: str) -> Options:
        only(raw, (), self.name, at)
        return Options()

    def network_up(self, net: Network, host: Host) -> Plan:
        return Plan()

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        name, ns = (req.link, None) if req.link else (req.ifname, req.netns)
        link = host.link(name, ns)
        if link is None:
            where = "the container" if ns else "the host"
            raise NotFoundError(f"{where} has no link {name}", "is the plugin before this one to blame?")
        if ns is None and link.kind != "veth":
            what = f"{name} is a {link.kind or 'physical'} link, which others use, too"
            raise ConfigError("prevResult.interfaces", what, "a container's limits stand on the host's end of a cable")
        return Attachment(Plan(), endpoint(net, req, leases, link.mtu).replace(host_ifname=req.link, mac=""))
