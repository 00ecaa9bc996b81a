"""A switch in the host: a Linux bridge that is the gateway of its subnets."""

from __future__ import annotations

from netkit.errors import ConflictError
from netkit.ipam.pool import overlaps
from netkit.model import bare, family
from netkit.naming import GROUP, mac
from netkit.parts.egress import network_mtu
from netkit.parts.quiet import SMALLEST6, outspoken, quiet
from netkit.plan.ops import AddrAdd, AddrDel, LinkAdd, LinkSet
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.model import Network, Subnet
    from netkit.plan.host import Host, Link


def bridge(
    net: Network, host: Host, gateway: bool = True, promisc: bool = False, force: bool = False, own_mac: str = ""
) -> Plan:
    """Create the bridge of a network, or adopt one that is already right; a link that is no bridge is a conflict.

    Without `gateway` it has no address: a switch and no more. `force` takes addresses of an adopted bridge away that
    stand in the gateway's way.
    """
    subnets = net.subnets if gateway else ()
    families = {family(subnet.cidr) for subnet in subnets}
    link = host.link(net.device)
    if link is None:
        plan = _create(net, host, own_mac or _mac(net.device))
        if 6 in families or network_mtu(net, host) >= SMALLEST6:
            plan += quiet(net.device, own_mac or _mac(net.device), families, host)
        return plan + _addresses(net.device, subnets, ()) + _up(net.device, promisc)
    _check(net, link)
    present = host.addresses(net.device)
    plan = outspoken(net.device, link.mac, families, host)
    plan += _make_way(net.device, subnets, present, force) + _addresses(net.device, subnets, present)
    all_frames = promisc and not link.promisc
    was = LinkSet(net.device, up=None if link.up else False, promisc=False if all_frames else None)
    return plan if link.up and not all_frames else plan + _up(net.device, all_frames, was)


def gateway_address(subnet: Subnet) -> str:
    """The gateway of a subnet with the subnet's prefix length."""
    return f"{subnet.gateway}/{subnet.cidr.partition('/')[2]}"


def _create(net: Network, host: Host, own_mac: str) -> Plan:
    mtu = network_mtu(net, host)
    return Plan.of(
        (
            LinkAdd(net.device, "bridge", GROUP, mac=own_mac, mtu=mtu - 1),
            "the switch of the network; its own MAC, so that no port's coming or going changes it",
        ),
        (
            LinkSet(net.device, mtu=mtu),
            "pin its MTU: a bridge fits it to its ports until someone changes it, hence born one short",
        ),
    )


def _addresses(device: str, subnets: Sequence[Subnet], present: Sequence[str]) -> Plan:
    wanted = dict.fromkeys(gateway_address(subnet) for subnet in subnets if subnet.gateway)
    return Plan.of(*((AddrAdd(a, device), "the gateway that containers see") for a in wanted if a not in present))


def _make_way(device: str, subnets: Sequence[Subnet], present: Sequence[str], force: bool) -> Plan:
    """An adopted bridge has no other address in the network's subnets, or must not keep it."""
    wanted = {gateway_address(subnet) for subnet in subnets if subnet.gateway}
    for subnet in subnets:
        others = [a for a in present if a not in wanted and overlaps(subnet.cidr, bare(a))]
        if others and not force:
            raise ConflictError(
                f"bridge {device} already has {others[0]}, which is not the gateway {subnet.gateway} of {subnet.cidr}",
                f"say --gateway {bare(others[0])}, or choose another bridge or subnet",
            )
        if others:
            return Plan.of(*((AddrDel(a, device, foreign=True), "it stands in the gateway's way") for a in others))
    return Plan()


def _up(device: str, promisc: bool, was: LinkSet | None = None) -> Plan:
    return Plan.of((LinkSet(device, up=True, promisc=True if promisc else None, was=was), "switch it on"))


def _mac(device: str) -> str:
    return mac("bridge", device)


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
