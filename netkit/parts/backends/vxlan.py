"""Routed VXLAN: one route, one neighbour and one forwarding entry for each host, however many containers it has.

container ==[ bridge ]== 10.5.9.0/24 via 10.5.9.0 dev flannel.1 onlink
                         10.5.9.0 is at the other tunnel's MAC; frames for that MAC go to 192.0.2.9, in UDP
"""

from __future__ import annotations

from netkit.model import alone, family
from netkit.naming import GROUP, mac
from netkit.parts.backends.common import address_of, by_gateway, neighbour_link, route, whole
from netkit.parts.quiet import SMALLEST6, mute
from netkit.parts.tunnel import OVERHEAD, guarded, let_in
from netkit.plan.ops import AddrAdd, LinkAdd, LinkSet, SysctlSet
from netkit.plan.rare.vxlan import FdbAdd, NeighAdd, Vxlan
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import PeerHost
    from netkit.parts.backends import Realm
    from netkit.plan.host import Host

#: The port that Linux and flannel used before IANA gave VXLAN one.
PORT = 8472


class VxlanRoutes:
    """flannel's vxlan backend."""

    def overhead(self, realm: Realm) -> int:
        return max(OVERHEAD[family(local)] for local in _locals(realm).values())

    def devices(self, realm: Realm) -> tuple[str, ...]:
        return tuple(device(realm, version) for version in _locals(realm))

    def up(self, realm: Realm, mtu: int, host: Host) -> Plan:
        plan = Plan()
        for version in _locals(realm):
            info = _info(realm, version)
            name = device(realm, version)
            plan += guarded(info, host) + _device(realm, version, info, mtu, host) + whole(realm, version, name, host)
        return plan

    def peer(self, realm: Realm, peer: PeerHost, host: Host) -> Plan:
        plan = Plan()
        for subnet in peer.subnets:
            version = family(subnet)
            address = address_of(peer, version, _locals(realm)[version])
            if realm.direct and (dev := neighbour_link(address, host)):
                plan += by_gateway(realm, subnet, address, dev, host)
            else:
                plan += _through(realm, subnet, peer, address, host)
        return plan


def device(realm: Realm, version: int) -> str:
    """The tunnel's device, called as flannel calls it."""
    return f"flannel.{realm.vni}" if version == 4 else f"flannel-v6.{realm.vni}"


def vtep_mac(realm: Realm, version: int) -> str:
    """The MAC of a tunnel's device: the same after each restart."""
    return mac("flannel", realm.node, str(realm.vni), str(version))


def _locals(realm: Realm) -> dict[int, str]:
    """Our end of the tunnel for each family of the network; IPv6 subnets may travel over IPv4."""
    return {
        family(subnet): (realm.local6 or realm.local) if family(subnet) == 6 else realm.local for subnet in realm.leased
    }


def _info(realm: Realm, version: int) -> Vxlan:
    return Vxlan(realm.vni, realm.dev, _locals(realm)[version], realm.port or PORT, realm.learning, gbp=realm.gbp)


def _device(realm: Realm, version: int, info: Vxlan, mtu: int, host: Host) -> Plan:
    name = device(realm, version)
    base = next(subnet for subnet in realm.leased if family(subnet) == version).partition("/")[0]
    made = LinkAdd(name, "vxlan", GROUP, mac=vtep_mac(realm, version), mtu=mtu, info=info)
    plan = Plan.of((made, f"the tunnel: packets travel in UDP from {info.local} port {info.port}"))
    if version == 4:
        plan += mute(name, host) if mtu >= SMALLEST6 else Plan()
    else:
        was = host.sysctl("net/ipv6/conf/default/accept_ra") or "0"
        plan += Plan.of((SysctlSet(f"net/ipv6/conf/{name}/accept_ra", "0", was, dev=name), "it hears no router"))
    return plan + Plan.of(
        (AddrAdd(alone(base), name), "where this host itself is asked from, and where others' routes lead to"),
        (LinkSet(name, up=True), "switch it on"),
    )


def _through(realm: Realm, subnet: str, peer: PeerHost, address: str, host: Host) -> Plan:
    """The neighbour and the forwarding entry first: a route alone would have the kernel ask who is there."""
    version, name = family(subnet), device(realm, family(subnet))
    base, info = subnet.partition("/")[0], _info(realm, version)
    its_mac = peer.mac6 if version == 6 and peer.mac6 else peer.mac
    way = route(subnet, name, base, host, onlink=True)
    return let_in(address, realm.dev, info.port, realm.vni, host) + Plan.of(
        (NeighAdd(base, its_mac, name), f"host {address}'s end of the tunnel has this MAC"),
        (FdbAdd(its_mac, name, address), f"and frames for it go to {address}"),
        (way, f"{subnet} is there"),
    )
