"""A cable: a veth pair from the host into a namespace, by itself or plugged into a bridge."""

from __future__ import annotations

from netkit.naming import GROUP, mac
from netkit.parts.inside import inside
from netkit.parts.quiet import SMALLEST6
from netkit.plan.ops import LinkAdd, LinkSet, Peer, SysctlSet
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Endpoint
    from netkit.plan.host import Host


def veth(
    ep: Endpoint, master: str, host: Host, isolated: bool = False, hairpin: bool = False, dad: bool = False
) -> Plan:
    """A cable whose host end is plugged into `master`.

    `isolated` ports of one bridge do not reach each other; a `hairpin` port gets its own frames back.
    """
    return cable(ep, host, dad) + _plug(ep, master, host, isolated, hairpin)


def cable(ep: Endpoint, host: Host, dad: bool = False) -> Plan:
    """One end on the host, down; the other born inside the namespace with its final name, MAC and MTU.

    With `dad` the kernel looks for duplicates of an IPv6 address before it uses it, which takes a second or two.
    """
    peer = Peer(ep.ifname, ep.netns, ep.mac, ep.mtu)
    pair = LinkAdd(ep.host_ifname, "veth", GROUP, mac=host_mac(ep), mtu=ep.mtu, peer=peer)
    return Plan.of((pair, "the cable between host and container")) + inside(ep, host, dad)


def host_mac(ep: Endpoint) -> str:
    """The MAC of the host's end."""
    return mac("host end", ep.id)


def _plug(ep: Endpoint, master: str, host: Host, isolated: bool, hairpin: bool) -> Plan:
    device = ep.host_ifname
    quiet = Plan()
    if host.sysctl("net/ipv6/conf/default/disable_ipv6") is not None and not 0 < ep.mtu < SMALLEST6:
        key = f"net/ipv6/conf/{device}/disable_ipv6"
        quiet = Plan.of((SysctlSet(key, "1", "0", dev=device), "a port of a switch has no address of its own"))
    port = LinkSet(device, master=master, isolated=isolated or None, hairpin=hairpin or None, up=True)
    return quiet + Plan.of((port, "plug the host end into the bridge"))
