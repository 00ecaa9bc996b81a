"""The switch driver: a bridge and nothing else.

    eth0 ==veth== nk3f9c...==[ nk-lan ]==...== eth0        no address on the host, no way out, no way in

A packet to a sibling: eth0, the cable, the bridge, the other cable. Any other packet has nowhere to go.
"""

from __future__ import annotations

from netkit.drivers.options import only
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConfigError
from netkit.naming import short_id
from netkit.parts.addresses import addresses, loopback
from netkit.parts.base import base
from netkit.parts.bridge import bridge
from netkit.parts.egress import network_mtu
from netkit.parts.endpoint import endpoint, free_ifname
from netkit.parts.isolation import network_rules, port_guard
from netkit.parts.veth import veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.plan.host import Host
    from netkit.plan.steps import Plan


class Switch:
    """Containers among themselves."""

    name = "switch"

    def parse_options(self, raw: Mapping[str, object], at: str) -> Options:
        only(raw, (), self.name, at)
        return Options()

    def device(self, net: Network) -> str:
        return f"nk-{net.name}" if len(net.name) <= 12 else f"nk-{short_id('switch', net.name)}"

    def needs_subnet(self, net: Network) -> bool:
        return True

    def host_up(self, net: Network, host: Host) -> Plan:
        return base(net.replace(internal=True), host)

    def network_up(self, net: Network, host: Host) -> Plan:
        closed = net.replace(internal=True)
        return network_rules(closed, host) + bridge(closed, host, gateway=False)

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        if req.ports:
            raise ConfigError("publish", "nothing leads into a switch", "leave --publish out, or use --mode bridge")
        free_ifname(req, host)
        ep = endpoint(net.replace(internal=True), req, leases, network_mtu(net, host))
        cable = veth(ep, net.device, host, isolated=not net.icc)
        return Attachment(port_guard(ep, host) + cable + loopback(req.netns, host) + addresses(ep), ep)
