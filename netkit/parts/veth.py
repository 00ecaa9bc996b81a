"""A cable: a veth pair from a bridge into a namespace."""

from __future__ import annotations

from netkit.model import family
from netkit.naming import GROUP, mac
from netkit.plan.ops import LinkAdd, LinkSet, Peer, SysctlSet
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Endpoint
    from netkit.plan.host import Host
    from netkit.plan.ops import Op


def veth(
    ep: Endpoint, master: str, host: Host, isolated: bool = False, hairpin: bool = False, dad: bool = False
) -> Plan:
    """One end plugged into `master`, the other born inside the namespace with its final name, MAC and MTU.

    `isolated` ports of one bridge do not reach each other; a `hairpin` port gets its own frames back; with `dad` the
    kernel looks for duplicates of an IPv6 address before it uses it, which takes a second or two.
    """
    return (
        Plan.of(
            (
                LinkAdd(
                    ep.host_ifname,
                    "veth",
                    GROUP,
                    mac=mac("host end", ep.id),
                    mtu=ep.mtu,
                    peer=Peer(ep.ifname, ep.netns, ep.mac, ep.mtu),
                ),
                "the cable between host and container",
            )
        )
        + _inside(ep, host, dad)
        + _plug(ep, master, host, isolated, hairpin)
    )


def _inside(ep: Endpoint, host: Host, dad: bool) -> Plan:
    """The container end, before it is up: which families it speaks, and that it announces itself."""
    steps: list[tuple[Op, str]] = []
    if any(family(a) == 4 for a in ep.addresses):
        steps.append((_sysctl(ep, "ipv4", "arp_notify", "1", "0"), "announce its address by gratuitous ARP"))
    if host.sysctl("net/ipv6/conf/default/disable_ipv6", ep.netns) is None:
        return Plan.of(*steps)
    if not any(family(a) == 6 for a in ep.addresses):
        steps.append((_sysctl(ep, "ipv6", "disable_ipv6", "1", "0"), "no IPv6 where none was asked for"))
        return Plan.of(*steps)
    steps += [
        (_sysctl(ep, "ipv6", "disable_ipv6", "0", "1"), "it speaks IPv6"),
        (_sysctl(ep, "ipv6", "accept_ra", "0", "1"), "its routes are netkit's, not a neighbour's advertisement"),
        _duplicates(ep, dad),
        (_sysctl(ep, "ipv6", "ndisc_notify", "1", "0"), "announce its address by unsolicited neighbour advertisement"),
    ]
    return Plan.of(*steps)


def _plug(ep: Endpoint, master: str, host: Host, isolated: bool, hairpin: bool) -> Plan:
    device = ep.host_ifname
    quiet = Plan()
    if host.sysctl("net/ipv6/conf/default/disable_ipv6") is not None:
        key = f"net/ipv6/conf/{device}/disable_ipv6"
        quiet = Plan.of((SysctlSet(key, "1", "0", dev=device), "a port of a switch has no address of its own"))
    port = LinkSet(device, master=master, isolated=isolated or None, hairpin=hairpin or None, up=True)
    return quiet + Plan.of((port, "plug the host end into the bridge"))


def _duplicates(ep: Endpoint, dad: bool) -> tuple[Op, str]:
    if dad:
        return _sysctl(ep, "ipv6", "accept_dad", "1", "0"), "look for duplicates of its address before using it"
    return _sysctl(
        ep, "ipv6", "accept_dad", "0", "1"
    ), "usable at once: netkit's IPAM knows that nobody has its address"


def _sysctl(ep: Endpoint, proto: str, key: str, value: str, was: str) -> SysctlSet:
    return SysctlSet(f"net/{proto}/conf/{ep.ifname}/{key}", value, was, ep.netns, dev=ep.ifname)
