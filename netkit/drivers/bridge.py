"""The bridge driver: a docker0-like switch with NAT.

    eth0 ==veth== nk3f9c...==[ netkit0 10.90.0.1 ]== forward, masquerade ==> egress
                                  ^-- dnat from every local address, port 8080

A packet out: eth0, the cable, the bridge (its address is the gateway), forward, masquerade, the egress link.
A packet in, for a published port: a local address, prerouting (dnat), forward, the bridge, eth0; its source is true.
Between siblings: the bridge alone. Between networks: dropped in forward.
"""

from __future__ import annotations

from netkit.drivers.options import PUBLISHING, bridge_named, only, switches, way
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConfigError
from netkit.naming import bridge_name
from netkit.parts.addresses import addresses, announced, default_routes, loopback, routes
from netkit.parts.base import base
from netkit.parts.bridge import bridge
from netkit.parts.egress import network_mtu
from netkit.parts.endpoint import endpoint, free_ifname
from netkit.parts.isolation import admit, guarded, localhost, network_rules
from netkit.parts.ports import comes_back, publish
from netkit.parts.veth import veth
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.parts.publishing import Way
    from netkit.plan.host import Host

#: The bridge of the implicit network of `--mode bridge`.
DEFAULT_DEVICE = "netkit0"


#: On/off options, what each is without a word, and what it says.
SWITCHES = {
    "guard": True,  # a port sends under its own MAC and addresses only
    "gateway": True,  # the bridge has the gateway's address; off is a switch and no more
    "default_route": True,  # containers get a default route by the gateway
    "masquerade": True,  # what goes out bears the host's address
    "routed": False,  # others may open connections to the containers' own addresses
    "hairpin": False,  # a port gets its own frames back
    "promisc": False,  # the bridge takes frames for any MAC
    "dad": False,  # IPv6 duplicate detection in the containers
    "inactive": False,  # the containers' ends stay down
    "default_vlan": False,  # ports of a VLAN stay in the bridge's default one, too
    "force_address": False,  # addresses of an adopted bridge make way for the gateway's
}


#: VLANs of the ports: the one whose frames bear no tag, and those that do.
VLANS = ("vlan", "trunk")


class BridgeOptions(Options):
    """`bridge` is the link's name ("" derives one), `way` how ports are published; the rest are `SWITCHES`.

    `vlan` and `trunk` are as people write them.
    """

    bridge: str = ""
    guard: bool = True
    gateway: bool = True
    default_route: bool = True
    masquerade: bool = True
    routed: bool = False
    hairpin: bool = False
    promisc: bool = False
    dad: bool = False
    inactive: bool = False
    default_vlan: bool = False
    force_address: bool = False
    vlan: str = ""
    trunk: str = ""
    way: Way | None = None


class Bridge:
    """A docker0-like switch with NAT."""

    name = "bridge"
    per_attachment = ("hairpin", "dad", "inactive", *(key for key in PUBLISHING if key != "snat"))

    def parse_options(self, raw: Mapping[str, object], at: str) -> BridgeOptions:
        only(raw, ("bridge", *SWITCHES, *VLANS, *PUBLISHING), self.name, at)
        name, chosen = bridge_named(raw, at), switches(raw, SWITCHES, at)
        access, tagged = (str(raw.get(key) or "") for key in VLANS)
        if access or tagged:
            from netkit.parts import vlans

            vlans.vlan(access, f"{at}.vlan")
            vlans.trunk(tagged, f"{at}.trunk")
        return BridgeOptions(name, **chosen, vlan=access, trunk=tagged, way=way(raw, at))

    def device(self, net: Network) -> str:
        chosen = self._options(net).bridge
        if chosen or net.made_by_mode:
            return chosen or DEFAULT_DEVICE
        return bridge_name(net.name)

    def needs_subnet(self, net: Network) -> bool:
        return self._options(net).gateway

    def share(self, net: Network, other: Network) -> str:
        """Why two networks cannot live on one bridge, "" when they can: what holds for all of it must be the same."""
        mine, theirs = self._options(net), self._options(other)
        told = {
            "internal": (net.internal, other.internal),
            "icc": (net.icc, other.icc),
            "open from outside": (mine.routed, theirs.routed),
            f"of VLAN {mine.vlan or 'none'}": (mine.vlan, theirs.vlan),
        }
        if {subnet.cidr for subnet in net.subnets} & {subnet.cidr for subnet in other.subnets}:
            told["masqueraded"] = (mine.masquerade, theirs.masquerade)
        return next((f"one of both is {what}, the other is not" for what, (a, b) in told.items() if a != b), "")

    def host_up(self, net: Network, host: Host) -> Plan:
        return base(net, host)

    def network_up(self, net: Network, host: Host) -> Plan:
        options = self._options(net)
        plan = network_rules(net, host, options.masquerade, options.routed)
        plan += bridge(net, host, options.gateway, options.promisc, options.force_address)
        if options.vlan or options.trunk:
            from netkit.parts import vlans

            plan += vlans.filtering(net.device, vlans.vlan(options.vlan, "vlan"), host)
            vlans.refuse_guarded(options.trunk, options.guard, host)
        if not options.way or options.way.snat:
            plan += localhost(net, host)
        return plan + admit(net, host)

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        options = self._options(net)
        if req.ports and net.internal:
            raise ConfigError("publish", f"network {net.name} is internal", "leave --publish out")
        free_ifname(req, host)
        ep = endpoint(net, req, leases, network_mtu(net, host))
        return Attachment(
            (guarded(ep, net, host) if options.guard else Plan())
            + veth(ep, net.device, host, not net.icc, options.hairpin, options.dad)
            + _port_vlans(ep.host_ifname, options)
            + loopback(req.netns, host)
            + addresses(ep, options.dad, up=not options.inactive)
            + announced(ep, up=not options.inactive)
            + (default_routes(ep, host) if options.default_route else Plan())
            + routes(ep)
            + comes_back(ep, host)
            + (options.way.publish if options.way else publish)(ep, net.device, host),
            ep,
        )

    def _options(self, net: Network) -> BridgeOptions:
        return self.parse_options(dict(net.options), f"networks.{net.name}.options")


def _port_vlans(port: str, options: BridgeOptions) -> Plan:
    if not (options.vlan or options.trunk):
        return Plan()
    from netkit.parts import vlans

    access, tagged = vlans.vlan(options.vlan, "vlan"), vlans.trunk(options.trunk, "trunk")
    return vlans.port_vlans(port, access, tagged, options.default_vlan)
