"""The bridge driver: a docker0-like switch with NAT.

    eth0 ==veth== nk3f9c...==[ netkit0 10.90.0.1 ]== forward, masquerade ==> egress
                                  ^-- dnat from every local address, port 8080

A packet out: eth0, the cable, the bridge (its address is the gateway), the forward chain, masquerade, the egress link.
A packet in, for a published port: any local address, prerouting (dnat), forward, the bridge, eth0; its source stays true.
Between siblings: the bridge alone. Between networks: dropped in forward.
"""

from __future__ import annotations

from netkit.drivers.options import only, switch
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConfigError
from netkit.naming import check_ifname, short_id
from netkit.parts.addresses import addresses, default_routes, loopback
from netkit.parts.base import base
from netkit.parts.bridge import bridge
from netkit.parts.egress import network_mtu
from netkit.parts.endpoint import endpoint, free_ifname
from netkit.parts.isolation import admit, localhost, network_rules, port_guard
from netkit.parts.ports import publish
from netkit.parts.veth import veth
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.plan.host import Host

#: The bridge of the implicit network of `--mode bridge`.
DEFAULT_DEVICE = "netkit0"


class BridgeOptions(Options):
    """`bridge`: the link's name ("" derives one); `guard`: whether ports are kept from spoofing."""

    bridge: str = ""
    guard: bool = True


class Bridge:
    """A docker0-like switch with NAT."""

    name = "bridge"

    def parse_options(self, raw: Mapping[str, object], at: str) -> BridgeOptions:
        only(raw, ("bridge", "guard"), self.name, at)
        name = raw.get("bridge", "")
        if name:
            check_ifname(str(name), f"{at}.bridge")
        return BridgeOptions(bridge=str(name), guard=switch(raw, "guard", True, at))

    def device(self, net: Network) -> str:
        chosen = self._options(net).bridge
        if chosen or net.made_by_mode:
            return chosen or DEFAULT_DEVICE
        return f"nk-{net.name}" if len(net.name) <= 12 else f"nk-{short_id('bridge', net.name)}"

    def host_up(self, net: Network, host: Host) -> Plan:
        return base(net, host)

    def network_up(self, net: Network, host: Host) -> Plan:
        return network_rules(net, host) + bridge(net, host) + localhost(net, host) + admit(net, host)

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        if req.ports and net.internal:
            raise ConfigError("publish", f"network {net.name} is internal", "leave --publish out")
        free_ifname(req, host)
        ep = endpoint(net, req, leases, network_mtu(net, host))
        guard = port_guard(ep, host) if self._options(net).guard else Plan()
        return Attachment(
            guard
            + veth(ep, net.device, host, isolated=not net.icc)
            + loopback(req.netns, host)
            + addresses(ep)
            + default_routes(ep, host)
            + publish(ep, net.device, host),
            ep,
        )

    def _options(self, net: Network) -> BridgeOptions:
        return self.parse_options(dict(net.options), f"networks.{net.name}.options")
