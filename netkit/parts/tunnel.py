"""A tunnel: a port of a bridge that packs frames into UDP and sends them to other hosts (VXLAN).

containers ==[ bridge ]-- nkv42 --UDP 4789--> every peer, until the tunnel has learned behind which one a MAC is
"""

from __future__ import annotations

from netkit.naming import GROUP, mac
from netkit.parts.quiet import SMALLEST6
from netkit.plan.ops import LinkAdd, LinkSet, RulesAdd, SysctlSet
from netkit.plan.rare.vxlan import FLOODED, FdbAdd, NeighAdd, PortQuiet, Vxlan
from netkit.plan.rules import Tunnel, TunnelFrom
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import PeerHost
    from netkit.plan.host import Host
    from netkit.plan.ops import Op

#: What a tunnel adds to each packet: outer IP header, UDP, VXLAN and the inner Ethernet header.
OVERHEAD = {4: 50, 6: 70}


def tunnel_name(vni: int) -> str:
    """The name of a tunnel's device."""
    return f"nkv{vni}"


def vtep_mac(local: str, vni: int) -> str:
    """The MAC of a tunnel's device, by the address that it sends from."""
    return mac("vxlan", local, str(vni))


def guarded(vxlan: Vxlan, host: Host, anybody: bool = False) -> Plan:
    """Nobody gets a frame in who is not let in, or who is not on the underlay; before the tunnel is there."""
    rule = Tunnel(vxlan.dev, vxlan.port, vxlan.vni, anybody or bool(vxlan.group), vxlan.local)
    return Plan.of((RulesAdd((rule,), host.firewall), "VXLAN trusts whoever sends: let in what its peers send alone"))


def let_in(peer: str, dev: str, port: int, vni: int, host: Host) -> Plan:
    """A peer's frames come in."""
    rule = TunnelFrom(dev, port, vni, peer)
    return Plan.of((RulesAdd((rule,), host.firewall), f"what {peer} sends is let in"))


def tunnel(vxlan: Vxlan, master: str, mtu: int, host: Host) -> Plan:
    """The tunnel's device as a port of `master`."""
    name = tunnel_name(vxlan.vni)
    made = LinkAdd(name, "vxlan", GROUP, mac=vtep_mac(vxlan.local, vxlan.vni), mtu=mtu, info=vxlan)
    plan = Plan.of((made, f"the tunnel: frames travel in UDP from {vxlan.local} port {vxlan.port}"))
    if host.sysctl("net/ipv6/conf/default/disable_ipv6") is not None and mtu >= SMALLEST6:
        off = SysctlSet(f"net/ipv6/conf/{name}/disable_ipv6", "1", "0", dev=name)
        plan += Plan.of((off, "a port of a switch has no address of its own"))
    return plan + Plan.of((LinkSet(name, master=master, up=True), "plug the tunnel into the bridge"))


def silent(vni: int) -> Plan:
    """Everybody behind the tunnel is known: nothing is flooded into it, and nobody has to ask through it."""
    return Plan.of(
        (PortQuiet(tunnel_name(vni)), "whoever is behind the tunnel is known: nothing is flooded or learned")
    )


def told_by_others(vni: int) -> Plan:
    """Another program says where frames go, those for everybody too: what it says is not mixed with what is heard."""
    return Plan.of((PortQuiet(tunnel_name(vni), floods=True), "who is behind the tunnel is told by EVPN, not learned"))


def flooded_to(vni: int, peer: str) -> Plan:
    """What goes to everybody, or to nobody known, goes to that host, too."""
    return Plan.of((FdbAdd(FLOODED, tunnel_name(vni), peer), "a peer gets what is sent to everybody"))


def behind(vni: int, bridge: str, peer: PeerHost, to: str) -> Plan:
    """Each interface on another host: where its frames go, which is `to`, and its MAC for those who ask."""
    name = tunnel_name(vni)
    steps: list[tuple[Op, str]] = []
    for address, its_mac in peer.endpoints:
        steps.append((FdbAdd(its_mac, name, to, in_bridge=True), f"{address} is on host {peer.address}"))
        steps.append((NeighAdd(address, its_mac, bridge), f"nobody has to ask who {address} is"))
    return Plan.of(*steps)
