"""Packets in UDP, carried by a process of ours: where a network lets nothing else through.

container ==[ bridge ]== 10.5.9.0/24 dev flannel0 (TUN) == proxy == UDP 8285 ==> the other host's proxy

The proxy makes the device, before the network comes up, and is told by the agent who is where. With a fast path,
programs in the kernel carry what is plain IPv4 past it, to hosts that have one, too.
"""

from __future__ import annotations

from netkit.errors import NotFoundError, UnsupportedError
from netkit.model import family
from netkit.parts.backends.common import address_of, route, whole
from netkit.plan.host import ETHERNET
from netkit.plan.rare.fastpath import HINT, LACKING
from netkit.plan.rare.udppath import WANTED, UdpPathAdd, UdpPeerAdd
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import PeerHost
    from netkit.parts.backends import Realm
    from netkit.plan.host import Host

#: The proxy's device, called as flannel calls it.
DEVICE = "flannel0"
#: flannel's port.
PORT = 8285
#: What IP and UDP take.
_OVERHEAD = {4: 28, 6: 48}


class UdpRoutes:
    """flannel's udp backend."""

    def overhead(self, realm: Realm) -> int:
        return _OVERHEAD[family(realm.local or realm.local6)]

    def devices(self, realm: Realm) -> tuple[str, ...]:
        return (DEVICE,)

    def up(self, realm: Realm, mtu: int, host: Host) -> Plan:
        if host.link(DEVICE) is None:
            raise NotFoundError(f"there is no {DEVICE}: the proxy does not run", "run: netkit agent run")
        plan = sum((whole(realm, family(each), DEVICE, host) for each in realm.leased), Plan())
        return plan + _fast_path(realm, host) if realm.fast_path else plan

    def peer(self, realm: Realm, peer: PeerHost, host: Host) -> Plan:
        address_of(peer, 4 if realm.local else 6, realm.local or realm.local6)
        plan = Plan()
        for subnet in peer.subnets:
            plan += Plan.of((route(subnet, DEVICE, "", host), f"{subnet} is behind {peer.address}, by UDP"))
            if realm.fast_path and family(subnet) == 4:
                plan += _fast_peer(subnet, peer)
        return plan


def refuse(link: str, host: Host) -> None:
    """Raise where there can be no fast path by that link."""
    if not host.makes(WANTED):
        raise UnsupportedError(LACKING, HINT)
    if (seen := host.link(link)) and seen.hardware != ETHERNET:
        raise UnsupportedError(f"{link} has no Ethernet frames, which a fast path takes", "leave --fast-path out")


def _fast_path(realm: Realm, host: Host) -> Plan:
    refuse(realm.dev, host)
    leased = tuple(each for each in realm.leased if family(each) == 4)
    why = "what is plain IPv4 passes in the kernel, past the proxy and the IP firewall's look at its UDP"
    return Plan.of((UdpPathAdd(DEVICE, realm.dev, realm.local, realm.port or PORT, leased), why))


def _fast_peer(subnet: str, peer: PeerHost) -> Plan:
    why = f"{subnet} is behind {peer.address}, which has {'a' if peer.fast_path else 'no'} fast path"
    return Plan.of((UdpPeerAdd(DEVICE, subnet, peer.address, peer.port or PORT, peer.fast_path), why))
