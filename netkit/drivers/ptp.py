"""The ptp driver: a cable of its own for each container, routed by the host; no bridge, no broadcast, no neighbours.

    web      eth0 10.91.0.2/32 ====== nkpqdhe3f9c1a2b 10.91.0.1/32 ]
                                                                   [ routes: 10.91.0.2 dev nkpqdhe3f9c1a2b
    sibling  eth0 10.91.0.3/32 ====== nkpqdhe7d10e4f5 10.91.0.1/32 ]         10.91.0.3 dev nkpqdhe7d10e4f5
                                                                   [ forward, masquerade ==> egress
                                                                    ^-- dnat from every local address, port 8080

A packet out: eth0, the cable, the host's end (its address is the gateway), forward, masquerade, the egress link.
A packet in, for a published port: a local address, prerouting (dnat), forward, the container's route, eth0; its source
is true. Between siblings: the host forwards, so its rules see every packet. Between networks: dropped in forward.
What a container sends from an address that is not routed back to it is dropped before anything else.
"""

from __future__ import annotations

from netkit.drivers.options import PUBLISHING, only, switches, way
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConfigError
from netkit.model import alone, family
from netkit.naming import bundle, of_bundle
from netkit.parts.addresses import addresses, default_routes, loopback, routes
from netkit.parts.base import base
from netkit.parts.egress import network_mtu
from netkit.parts.endpoint import endpoint, free_ifname
from netkit.parts.isolation import admit, by_loopback, network_rules
from netkit.parts.ports import publish
from netkit.parts.routed import host_end, way_out
from netkit.parts.veth import cable
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.parts.publishing import Way
    from netkit.plan.host import Host

#: On/off options, what each is without a word, and what it says.
SWITCHES = {
    "default_route": True,  # containers get a default route by the gateway
    "masquerade": True,  # what goes out bears the host's address
    "routed": False,  # others may open connections to the containers' own addresses
}


class PtpOptions(Options):
    """`way` is how ports are published; the rest are `SWITCHES`."""

    default_route: bool = True
    masquerade: bool = True
    routed: bool = False
    way: Way | None = None


class Ptp:
    """A routed cable for each container."""

    name = "ptp"
    on_no_lan = True  # what a container broadcasts ends at the host

    def parse_options(self, raw: Mapping[str, object], at: str) -> PtpOptions:
        only(raw, (*SWITCHES, *PUBLISHING), self.name, at)
        return PtpOptions(**switches(raw, SWITCHES, at), way=way(raw, at))

    def device(self, net: Network) -> str:
        return bundle(net.name)

    def needs_subnet(self, net: Network) -> bool:
        return True

    def host_up(self, net: Network, host: Host) -> Plan:
        return base(net, host, routed=True)

    def network_up(self, net: Network, host: Host) -> Plan:
        options = self._options(net)
        return network_rules(net, host, options.masquerade, options.routed) + admit(net, host, routed=True)

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        options = self._options(net)
        if req.ports and net.internal:
            raise ConfigError("publish", f"network {net.name} is internal", "leave --publish out")
        free_ifname(req, host)
        ep = endpoint(net, req, leases, network_mtu(net, host))
        ep = ep.replace(host_ifname=of_bundle(net.device, ep.id))
        published = (not options.way or options.way.snat) and any(family(port.host_ip) == 4 for port in ep.ports)
        return Attachment(
            cable(ep, host)
            + host_end(ep, leases, host)
            + (by_loopback(ep.host_ifname, host) if published else Plan())
            + loopback(req.netns, host)
            + addresses(ep.replace(addresses=tuple(map(alone, ep.addresses))))
            + way_out(ep, leases, host)
            + (default_routes(ep, host) if options.default_route else Plan())
            + routes(ep)
            + (options.way.publish if options.way else publish)(ep, ep.host_ifname, host),
            ep,
        )

    def _options(self, net: Network) -> PtpOptions:
        return self.parse_options(dict(net.options), f"networks.{net.name}.options")
