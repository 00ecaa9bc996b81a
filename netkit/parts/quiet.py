"""A link of the host with containers behind it: it believes none of them, and is not configured by their chatter."""

from __future__ import annotations

from netkit.errors import HostError
from netkit.naming import link_local
from netkit.plan.ops import AddrAdd, LinkSet, SysctlSet
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from netkit.model import NsRef
    from netkit.plan.host import Host


#: IPv6 takes no link that carries less: the kernel has no settings of it there.
SMALLEST6 = 1280


def quiet(device: str, mac: str, families: Collection[int], host: Host) -> Plan:
    """A new link believes no router advertisement, and where no IPv6 is among its families it has none at all."""
    default = host.sysctl("net/ipv6/conf/default/accept_ra")
    if 6 not in families:
        return mute(device, host)
    if default is None:
        raise HostError("this kernel has no IPv6", "leave the IPv6 --subnet out")
    return deaf(device, default) + _link_local(device, mac)


def mute(device: str, host: Host, ns: NsRef | None = None) -> Plan:
    """A new link, of the host or of a namespace, has no IPv6."""
    if host.sysctl("net/ipv6/conf/default/accept_ra", ns) is None:
        return Plan()
    off = SysctlSet(f"net/ipv6/conf/{device}/disable_ipv6", "1", "0", ns, dev=device)
    return Plan.of((off, "no IPv6 where none was asked for"))


def deaf(device: str, was: str) -> Plan:
    """No router advertisement is believed; `was` is what accept_ra is before."""
    if was == "0":
        return Plan()
    step = SysctlSet(f"net/ipv6/conf/{device}/accept_ra", "0", was, dev=device)
    return Plan.of((step, "believe no container's router advertisement"))


def outspoken(device: str, mac: str, families: Collection[int], host: Host) -> Plan:
    """A link that is there believes no router advertisement; one that has no IPv6 gets it where that is asked for."""
    key, was = f"net/ipv6/conf/{device}/disable_ipv6", host.sysctl(f"net/ipv6/conf/{device}/accept_ra") or "0"
    if host.sysctl(key) != "1":
        return deaf(device, was)
    if 6 not in families:
        return Plan()
    on = SysctlSet(key, "0", "1", dev=device)
    return deaf(device, was) + Plan.of((on, "it speaks IPv6 from now on")) + _link_local(device, mac)


def _link_local(device: str, mac: str) -> Plan:
    """The kernel asks for a container's MAC from a link-local address; its own would come late, and be tentative."""
    return Plan.of(
        (LinkSet(device, no_addrgen=True), "its link-local address comes from us, not in the kernel's own time"),
        (AddrAdd(f"{link_local(mac)}/64", device), "where it asks for neighbours from"),
    )
