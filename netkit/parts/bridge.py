"""A switch in the host: a Linux bridge that is the gateway of its subnets."""

from __future__ import annotations

from netkit.errors import ConflictError, HostError
from netkit.model import family
from netkit.naming import GROUP, link_local, mac
from netkit.parts.egress import network_mtu
from netkit.plan.ops import AddrAdd, LinkAdd, LinkSet, SysctlSet
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Network, Subnet
    from netkit.plan.host import Host, Link


def bridge(net: Network, host: Host) -> Plan:
    """Create the bridge of a network, or adopt one that is already right; a link that is no bridge is a conflict."""
    link = host.link(net.device)
    if link is None:
        return _create(net, host) + _addresses(net, ()) + _up(net.device)
    _check(net, link)
    plan = _quiet(net, host, created=False) + _addresses(net, host.addresses(net.device))
    return plan if link.up else plan + _up(net.device, LinkSet(net.device, up=False))


def gateway_address(subnet: Subnet) -> str:
    """The gateway of a subnet with the subnet's prefix length."""
    return f"{subnet.gateway}/{subnet.cidr.partition('/')[2]}"


def _create(net: Network, host: Host) -> Plan:
    mtu = network_mtu(net, host)
    return Plan.of(
        (
            LinkAdd(net.device, "bridge", GROUP, mac=mac("bridge", net.name), mtu=mtu - 1),
            "the switch of the network; its own MAC, so that no port's coming or going changes it",
        ),
        (
            LinkSet(net.device, mtu=mtu),
            "pin its MTU: a bridge fits it to its ports until someone changes it, hence born one short",
        ),
    ) + _quiet(net, host, created=True)


def _quiet(net: Network, host: Host, created: bool) -> Plan:
    """No router advertisement from a container is believed; without IPv6 subnets the bridge has no IPv6 at all."""
    dual = any(family(subnet.cidr) == 6 for subnet in net.subnets)
    default = host.sysctl("net/ipv6/conf/default/accept_ra")
    if default is None:
        if dual:
            raise HostError("this kernel has no IPv6", "leave the IPv6 --subnet out")
        return Plan()
    if not created:
        return _deaf(net, host.sysctl(_key(net, "accept_ra")) or default)
    if dual:
        return _deaf(net, default) + _link_local(net)
    off = SysctlSet(_key(net, "disable_ipv6"), "1", "0", dev=net.device)
    return Plan.of((off, "no IPv6 where none was asked for"))


def _deaf(net: Network, was: str) -> Plan:
    if was == "0":
        return Plan()
    deaf = SysctlSet(_key(net, "accept_ra"), "0", was, dev=net.device)
    return Plan.of((deaf, "believe no container's router advertisement"))


def _key(net: Network, name: str) -> str:
    return f"net/ipv6/conf/{net.device}/{name}"


def _addresses(net: Network, present: tuple[str, ...]) -> Plan:
    wanted = [gateway_address(subnet) for subnet in net.subnets]
    return Plan.of(*((AddrAdd(a, net.device), "the gateway that containers see") for a in wanted if a not in present))


def _link_local(net: Network) -> Plan:
    """The kernel asks for a container's MAC from a link-local address; its own would come late, and be tentative."""
    address = f"{link_local(mac('bridge', net.name))}/64"
    return Plan.of(
        (LinkSet(net.device, no_addrgen=True), "its link-local address comes from us, not in the kernel's own time"),
        (AddrAdd(address, net.device), "where it asks for neighbours from"),
    )


def _up(device: str, was: LinkSet | None = None) -> Plan:
    return Plan.of((LinkSet(device, up=True, was=was), "switch it on"))


def _check(net: Network, link: Link) -> None:
    if link.kind != "bridge":
        raise ConflictError(
            f"{net.device} is a {link.kind or 'physical'} link, not a bridge",
            "name another with -o bridge=NAME when you create the network",
        )
    if net.mtu and link.mtu != net.mtu:
        raise ConflictError(
            f"bridge {net.device} has MTU {link.mtu}, the network wants {net.mtu}",
            f"leave --mtu out, or run: ip link set dev {net.device} mtu {net.mtu}",
        )
