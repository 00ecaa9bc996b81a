"""The underlay driver: containers live in the physical network, side by side with the host.

    eth0 ==veth== nk3f9c...==[ nk-lan 192.168.1.5 ]==[ host's NIC eth0 ]== the LAN ==[ router 192.168.1.1 ]
                                  ^-- the host itself: the NIC's MAC, addresses and routes

A packet out: eth0, the cable, the bridge, the NIC, the wire; nothing is translated, and no hop is the host's. The
container's gateway is the LAN's router. A packet in: the wire, the NIC, the bridge, the cable; its source is true, and
every port is reachable, so none is published. The host reaches its containers, and they it, over the same bridge.
"""

from __future__ import annotations

from netkit.drivers.onparent import taken_on
from netkit.drivers.options import bridge_named, only, switches
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConfigError, UsageError
from netkit.naming import bridge_name
from netkit.parts.addresses import addresses, announced, default_routes, loopback, routes
from netkit.parts.base import frame
from netkit.parts.egress import egress_mtu
from netkit.parts.endpoint import endpoint, free_ifname
from netkit.parts.isolation import guarded, switched
from netkit.parts.nic import nic, refuse_mentions, refuse_only_way, refuse_routes, refuse_whole
from netkit.parts.uplink import uplink
from netkit.parts.veth import veth
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.plan.host import Host

#: On/off options, what each is without a word, and what it says.
SWITCHES = {
    "yes": False,  # the host's way out may go by the bridge
    "addresses": True,  # netkit gives out addresses of the subnets; off: others do, or nobody
    "guard": True,  # a port sends under its own MAC and addresses only
    "default_route": True,  # containers get a default route by the LAN's router
    "dad": False,  # IPv6 duplicate detection in the containers
}


class UnderlayOptions(Options):
    """`bridge` is the bridge's name ("" derives one); the rest are `SWITCHES`."""

    bridge: str = ""
    yes: bool = False
    addresses: bool = True
    guard: bool = True
    default_route: bool = True
    dad: bool = False


class Underlay:
    """The physical network, shared with the host."""

    name = "underlay"
    takes_parent = True

    def parse_options(self, raw: Mapping[str, object], at: str) -> UnderlayOptions:
        only(raw, ("bridge", *SWITCHES), self.name, at)
        return UnderlayOptions(bridge_named(raw, at), **switches(raw, SWITCHES, at))

    def device(self, net: Network) -> str:
        return self._options(net).bridge or bridge_name(net.name)

    def needs_subnet(self, net: Network) -> bool:
        if not self._options(net).addresses:
            return False
        raise UsageError(
            "an underlay network gives out addresses of the LAN, and none are named",
            "say --subnet CIDR --gateway ROUTER --ip-range FIRST-LAST, or who else gives them out: --ipam",
        )

    def taken(self, net: Network, host: Host) -> tuple[str, ...]:
        """The host's own addresses in the LAN, and the routers that it knows there."""
        return taken_on(net.device, net, host)

    def host_up(self, net: Network, host: Host) -> Plan:
        return frame(host)

    def ready(self, net: Network, host: Host) -> None:
        """Raise what is wrong with the NIC, ahead of all else; as a port of the network's own bridge it is right."""
        link = host.link(net.parent)
        if link is None or link.master != self.device(net):
            nic(net, host)

    def network_up(self, net: Network, host: Host) -> Plan:
        if net.internal:
            raise UsageError("an underlay network is the LAN itself", "leave --internal out, or use --mode bridge")
        refuse_whole(net)
        link = nic(net, host)
        refuse_routes(link.name, host)
        refuse_mentions(link.name, net.device, host)
        if not self._options(net).yes:
            refuse_only_way(link.name, host)
        return switched(net.device, host) + uplink(net.device, link, host)

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        options = self._options(net)
        if req.ports:
            raise ConfigError(
                "publish",
                "a container in the LAN has an address of its own, at which all of its ports are reached",
                "leave --publish out, and connect to the container's address",
            )
        free_ifname(req, host)
        ep = endpoint(net, req, leases, net.mtu or _mtu(net, host))
        return Attachment(
            (guarded(ep, net, host) if options.guard else Plan())
            + veth(ep, net.device, host, not net.icc, dad=options.dad)
            + loopback(req.netns, host)
            + addresses(ep, options.dad)
            + announced(ep)
            + (default_routes(ep, host) if options.default_route else Plan())
            + routes(ep),
            ep,
        )

    def _options(self, net: Network) -> UnderlayOptions:
        return self.parse_options(dict(net.options), f"networks.{net.name}.options")


def _mtu(net: Network, host: Host) -> int:
    """What the NIC carries, however often the network has come up since it was made."""
    link = host.link(net.parent)
    return link.mtu if link else egress_mtu(host)
