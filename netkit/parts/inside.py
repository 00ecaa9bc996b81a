"""The container's interface before it is up, whatever link it is: what it speaks, and how it makes itself known."""

from __future__ import annotations

from netkit.model import family
from netkit.parts.quiet import SMALLEST6
from netkit.plan.ops import SysctlSet
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Endpoint
    from netkit.plan.host import Host
    from netkit.plan.ops import Op


def inside(ep: Endpoint, host: Host, dad: bool = False) -> Plan:
    """No IPv6 where no address of it was asked for; with `dad` the kernel looks for duplicates before it uses one."""
    steps: list[tuple[Op, str]] = []
    if any(family(a) == 4 for a in ep.addresses):
        steps.append((_sysctl(ep, "ipv4", "arp_notify", "1", "0"), "announce its address by gratuitous ARP"))
    if host.sysctl("net/ipv6/conf/default/disable_ipv6", ep.netns) is None or 0 < ep.mtu < SMALLEST6:
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


def _duplicates(ep: Endpoint, dad: bool) -> tuple[Op, str]:
    if dad:
        return _sysctl(ep, "ipv6", "accept_dad", "1", "0"), "look for duplicates of its address before using it"
    return _sysctl(
        ep, "ipv6", "accept_dad", "0", "1"
    ), "usable at once: netkit's IPAM knows that nobody has its address"


def _sysctl(ep: Endpoint, proto: str, key: str, value: str, was: str) -> SysctlSet:
    return SysctlSet(f"net/{proto}/conf/{ep.ifname}/{key}", value, was, ep.netns, dev=ep.ifname)
