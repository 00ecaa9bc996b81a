"""A tunnel: a port of a bridge that packs frames into UDP and sends them to other hosts (VXLAN).

containers ==[ bridge ]-- nkv42 --UDP 4789--> every peer, until the tunnel has learned behind which one a MAC is
"""

from __future__ import annotations

from netkit.naming import GROUP, mac
from netkit.plan.ops import LinkAdd, LinkSet, RulesAdd, SysctlSet
from netkit.plan.rare.vxlan import FLOODED, FdbAdd, Vxlan
from netkit.plan.rules import Tunnel
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.plan.host import Host

#: What a tunnel adds to each packet: outer IP header, UDP, VXLAN and the inner Ethernet header.
OVERHEAD = {4: 50, 6: 70}


def tunnel_name(vni: int) -> str:
    """The name of a tunnel's device."""
    return f"nkv{vni}"


def guarded(vxlan: Vxlan, peers: Sequence[str], host: Host) -> Plan:
    """Nobody but the peers gets a frame in; before the tunnel is there."""
    rule = Tunnel(vxlan.dev, vxlan.port, vxlan.vni, tuple(peers), bool(vxlan.group), vxlan.local)
    return Plan.of((RulesAdd((rule,), host.firewall), "VXLAN trusts whoever sends: let in what its peers send alone"))


def tunnel(vxlan: Vxlan, master: str, mtu: int, host: Host) -> Plan:
    """The tunnel's device as a port of `master`."""
    name = tunnel_name(vxlan.vni)
    made = LinkAdd(name, "vxlan", GROUP, mac=mac("vxlan", vxlan.local, str(vxlan.vni)), mtu=mtu, info=vxlan)
    plan = Plan.of((made, f"the tunnel: frames travel in UDP from {vxlan.local} port {vxlan.port}"))
    if host.sysctl("net/ipv6/conf/default/disable_ipv6") is not None:
        off = SysctlSet(f"net/ipv6/conf/{name}/disable_ipv6", "1", "0", dev=name)
        plan += Plan.of((off, "a port of a switch has no address of its own"))
    return plan + Plan.of((LinkSet(name, master=master, up=True), "plug the tunnel into the bridge"))


def flooded_to(vni: int, peers: Sequence[str]) -> Plan:
    """What goes to everybody, or to nobody known, goes to each of these hosts."""
    name = tunnel_name(vni)
    return Plan.of(*((FdbAdd(FLOODED, name, peer), "a peer gets what is sent to everybody") for peer in peers))
