"""A switch in the host: a Linux bridge that is the gateway of its subnets."""

from __future__ import annotations

from netkit.errors import ConflictError, HostError
from netkit.model import family
from netkit.naming import GROUP, mac
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
        return _create(net, host) + _addresses(net, host, ()) + _up(net.device)
    _check(net, link)
    plan = _quiet(net, host, created=False) + _addresses(net, host, host.addresses(net.device))
    return plan if link.up else plan + _up(net.device, LinkSet(net.device, up=False))


def gateway_address(subnet: Subnet) -> str:
    """The gateway of a subnet with the subnet's prefix length."""
    return f"{subnet.gateway}/{subnet.cidr.partition('/')[2]}"


def _create(net: Network, host: Host) -> Plan:
    mtu = network_mtu(net, host)
    return Plan.of(
        (
            LinkAdd(net.device, "bridge", GROUP, mac=mac("bridge", net.name), mtu=mtu),
            "the switch of the network; its own MAC, so that no port's coming or going changes it",
        ),
        (LinkSet(net.device, mtu=mtu), "pin its MTU, which a bridge otherwise fits to its ports"),
    ) + _quiet(net, host, created=True)


def _quiet(net: Network, host: Host, created: bool) -> Plan:
    """No router advertisement from a container is believed; without IPv6 subnets the bridge has no IPv6 at all."""
    dual = any(family(subnet.cidr) == 6 for subnet in net.subnets)
    default = host.sysctl("net/ipv6/conf/default/accept_ra")
    if default is None:
        if dual:
            raise HostError("this kernel has no IPv6", "leave the IPv6 --subnet out")
        return Plan()
    key, value = ("accept_ra", "0") if dual or not created else ("disable_ipv6", "1")
    path = f"net/ipv6/conf/{net.device}/{key}"
    was = default if created else host.sysctl(path) or default
    if not created and was == value:
        return Plan()
    why = "believe no container's router advertisement" if key == "accept_ra" else "no IPv6 where none was asked for"
    return Plan.of((SysctlSet(path, value, was, dev=net.device), why))


def _addresses(net: Network, host: Host, present: tuple[str, ...]) -> Plan:
    wanted = [gateway_address(subnet) for subnet in net.subnets]
    return Plan.of(*((AddrAdd(a, net.device), "the gateway that containers see") for a in wanted if a not in present))


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
